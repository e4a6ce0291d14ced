"""What iam offers other services and front: whose an access key is, and credentials of roles."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from freehold.kit import arns
from freehold.kit.ids import BASE32
from freehold.ports.identity import Credential, Principal
from freehold.ports.platform import Platform
from freehold.services.iam import state
from freehold.services.iam.sessions import Sessions


class IamIdentity:
    """The port `Identity`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._sessions: Sessions | None = None

    @property
    def sessions(self) -> Sessions:
        """Ready after `open`."""
        assert self._sessions is not None, "iam has not started"
        return self._sessions

    async def open(self) -> None:
        """Read, or on a new store make, the key of session tokens."""
        fresh = self._platform.ids.bytes(32)
        self._sessions = Sessions(await self._platform.store.transact(lambda tx: state.session_key(tx, fresh)))

    def known(self, access_key_id: str, session_token: str | None) -> Credential | None:
        if session_token is not None:
            return self.sessions.read(access_key_id, session_token)
        row = self._platform.store.at_hand(state.key_row(access_key_id))
        return None if row is None else _credential(row)

    async def credential(self, access_key_id: str, session_token: str | None) -> Credential | None:
        if session_token is not None:
            return self.sessions.read(access_key_id, session_token)
        row = state.key_row(access_key_id)
        raw = await self._platform.store.read(lambda tx: tx.get(row))
        return None if raw is None else _credential(raw)

    def role_session(
        self, role_arn: str, session_name: str, *, seconds: int = 3600, service: str | None = None
    ) -> Credential:
        arn = arns.parse(role_arn)
        account = arn.account if arn else self._platform.settings.default_account
        role = role_arn.rpartition("/")[2]
        # The unique id of the role is not at hand without a read; one derived from the ARN is as stable.
        unique = "AROA" + hashlib.sha256(role_arn.encode()).hexdigest()[:17].upper()
        principal = Principal(
            account, f"arn:aws:sts::{account}:assumed-role/{role}/{session_name}", f"{unique}:{session_name}", service
        )
        return self.issue(principal, seconds)

    def issue(self, principal: Principal, seconds: int) -> Credential:
        """Session credentials for any principal."""
        access_key_id = "ASIA" + self._platform.ids.letters(16, BASE32)
        return self.sessions.issue(access_key_id, principal, self._platform.clock.wall() + seconds)


@lru_cache(maxsize=1_000)
def _credential(row: bytes) -> Credential | None:
    """What a key's row says, as long as it says the same; None while the key is inactive."""
    record = state.decode_key(row)
    if not record.active:
        return None
    return Credential(record.id, record.secret, Principal(record.account, record.user_arn, record.user_id))


def of(platform: Platform) -> IamIdentity:
    """The identity port of this platform, as iam knows it."""
    identity = platform.identity
    assert isinstance(identity, IamIdentity)
    return identity
