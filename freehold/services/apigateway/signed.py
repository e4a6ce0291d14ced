"""AWS_IAM authorization of routes and methods: a signature of the service execute-api."""

from __future__ import annotations

from dataclasses import dataclass

from freehold.kit.http import Request
from freehold.ports.identity import Principal
from freehold.ports.platform import Platform
from freehold.wire import sigv4

MISSING, INVALID, EXPIRED = "missing", "invalid", "expired"


class Unsigned(Exception):
    """The request is not acceptably signed: `reason` is MISSING, INVALID or EXPIRED."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request."""

    access_key: str
    account: str
    arn: str
    user_id: str


async def signer(platform: Platform, http: Request, account: str) -> Signer:
    """Who signed; what the signer may do is enforced with IAM's own issue. Raises Unsigned.

    An open server takes any credentials: those it does not know stand for the root user of the API's account.
    """
    try:
        signature = sigv4.read_signature(http)
        if signature is None or signature.service != "execute-api":
            raise Unsigned(MISSING)
        credential = await platform.identity.credential(signature.access_key, signature.token)
        expires_at = credential.expires_at if credential else None
        if expires_at is not None and expires_at <= platform.clock.wall():
            raise Unsigned(EXPIRED)
        if platform.settings.guarded:
            if credential is None:
                raise Unsigned(INVALID)
            sigv4.verify(http, signature, credential.secret_access_key, wall=platform.clock.wall())
    except sigv4.AuthFailure:
        raise Unsigned(INVALID) from None
    principal = credential.principal if credential else Principal(account, f"arn:aws:iam::{account}:root", account)
    return Signer(signature.access_key, principal.account, principal.arn, principal.user_id)
