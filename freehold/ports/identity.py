"""Identity: who calls, and the credentials of roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: account, ARN, and the id that sts:GetCallerIdentity shows."""

    account: str
    arn: str
    user_id: str
    service: str | None = None
    """Set when an AWS service calls on its own behalf, e.g. "lambda.amazonaws.com"."""


@dataclass(frozen=True, slots=True)
class Source:
    """A service that acts for one of its resources (a topic that delivers, a bucket that notifies): who resource policies
    decide about. `service` is the principal ("sns.amazonaws.com"), `arn` and `account` are aws:SourceArn and
    aws:SourceAccount. `role` is set where AWS acts as a role instead; resource policies of the account then do not matter.
    """

    service: str
    arn: str
    account: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key that may sign calls."""

    access_key_id: str
    secret_access_key: str
    principal: Principal
    session_token: str | None = None
    expires_at: float | None = None
    """Wall seconds, None for keys of users and the root user."""


class Identity(Protocol):
    """Offered by iam."""

    def known(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """The active credential of an access key, where that can be told without waiting; else None, which says nothing."""
        ...

    async def credential(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """The active credential of an access key; None where unknown.
        An expired session is returned: the caller compares `expires_at` and answers ExpiredToken."""
        ...

    def role_session(
        self, role_arn: str, session_name: str, *, seconds: int = 3600, service: str | None = None
    ) -> Credential:
        """Fresh session credentials of a role, self-verifying: no store access, no wait. Does not check that the role
        exists or trusts the caller (that is AssumeRole's business)."""
        ...
