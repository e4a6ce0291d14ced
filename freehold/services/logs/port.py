"""LogGroups: what logs offers other services."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.kit import arns
from freehold.ports.identity import Source
from freehold.services.logs import resource_policies, state
from freehold.services.logs.model import Space, group_of_arn, no_group
from freehold.store.base import Tx
from freehold.work import logrows
from freehold.work.logrows import Stream


class LogGroupsPort:
    """`ports.loggroups.LogGroups`."""

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
        parsed = arns.parse(group_arn)
        if parsed is None:
            raise no_group()
        where = Space(parsed.account, parsed.region)
        group = state.group(tx, where, group_of_arn(where, group_arn))
        resource_policies.check(tx, where, group.name, source)
        found = logrows.find_stream(tx, *where, group.id, stream)
        if found is None:
            found = Stream(stream, id, now_ms)
            logrows.put_stream(tx, *where, group.id, found)
        logrows.append(tx, *where, group, found, logrows.prepare(sorted(events), now_ms), now_ms)
