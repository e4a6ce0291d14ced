"""Calls: any operation of any service, as a principal; implemented by front as the middle of its pipeline."""

from __future__ import annotations

from typing import Any, Protocol

from freehold.ports.call import Cause
from freehold.ports.identity import Principal


class Calls(Protocol):
    """Validated, authorized, throttled, handled and recorded like a call from outside."""

    async def call(
        self,
        service: str,
        operation: str,
        request: dict[str, Any],
        *,
        principal: Principal,
        account: str,
        region: str,
        cause: Cause | None = None,
        once: bytes | None = None,
    ) -> dict[str, Any]:
        """`service` is botocore's name ("dynamodb"), `operation` the model's ("PutItem"). Raises the modelled Fault.

        `once`: the caller's own row for this very call, which may have been made before: see ports/once.py.
        """
        ...

    def implements(self, service: str, operation: str) -> bool:
        """Does Freehold have a handler for this operation?"""
        ...
