"""Fault: the one exception by which a service refuses a call.

Fault
└── raised with the code of an error shape of the service's model, or with a code common to AWS services

A fault is part of the contract with the caller and is rendered in the caller's protocol; any other exception is a bug
and is answered with InternalFailure.
"""

from __future__ import annotations

from typing import Any


class Fault(Exception):
    """A refusal, by AWS's code.

    `code` is the shape name of the modelled error (its wire code and HTTP status are looked up in the model) or a common
    code such as `ValidationException`. `status` overrides the model's status; unmodelled codes default to 400. `fields`
    are further members of the error shape (`Reason="..."`, `Item={...}`). `headers` go onto the HTTP response.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers
        self.fields = fields

    def __repr__(self) -> str:
        return f"Fault({self.code!r}, {self.message!r})"


def not_implemented(what: str) -> Fault:
    """What Freehold answers where it does not do a thing (HTTP 501): by name, listed in docs/differences.md."""
    return Fault("NotImplemented", f"Freehold does not implement {what}. See docs/differences.md.", status=501)
