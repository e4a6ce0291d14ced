"""LogGroups: how other services write events to CloudWatch Logs, where the account's resource policies let them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from freehold.ports.identity import Source
from freehold.store.base import Tx


class LogGroups(Protocol):
    """Offered by logs. Log groups are named by ARN, with or without `:*`."""

    def put(
        self,
        tx: Tx,
        group_arn: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        id: str,
        now_ms: int,
        source: Source,
    ) -> None:
        """Write events (ms, message) to a stream of the group inside the caller's transaction; a stream that is missing is
        made, `id` (12 digits and letters, chosen before the transaction) being its private id.

        Raises ResourceNotFoundException (no such group), AccessDeniedException (no resource policy of the account lets
        `source` create streams and put events there; not asked where the service acts as a role).
        """
        ...
