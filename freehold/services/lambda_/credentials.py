"""The credentials that an instance gets: a session of its function's execution role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from freehold.kit import arns
from freehold.runtime.base import FunctionSpec

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

SESSION_S = 12 * 3_600


def acting_role(role: str, account: str) -> str:
    """The role that a function of `account` acts as. Only an open server accepts roles of other accounts: there the account
    is the function's, whatever the ARN was copied from."""
    parsed = arns.parse(role)
    return role if parsed is None or parsed.account == account else str(parsed._replace(account=account))


class RoleCredentials:
    """`runtime.base.Credentials`: a role session named after the function, and Freehold's own address."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def __call__(self, spec: FunctionSpec) -> Mapping[str, str]:
        platform, role = self._platform, acting_role(spec.role, spec.account)
        session = platform.identity.role_session(role, spec.name, seconds=SESSION_S, service="lambda.amazonaws.com")
        return {
            "AWS_ACCESS_KEY_ID": session.access_key_id,
            "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
            "AWS_SESSION_TOKEN": session.session_token or "",
            "AWS_ENDPOINT_URL": platform.settings.url,
        }
