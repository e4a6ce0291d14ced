"""One execution: a batch through filter, enrichment and target; what is dealt with is taken off the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.services.pipes.enrichment import enrich
from freehold.services.pipes.journal import ERROR, INFO, Journal
from freehold.services.pipes.plan import Plan
from freehold.services.pipes.sources import Item, Source
from freehold.services.pipes.targets import send
from freehold.services.pipes.units import Failures

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


async def execute(platform: Platform, plan: Plan, source: Source, items: list[Item]) -> bool:
    """Perform an execution; says whether anything of it succeeded.

    Messages that no filter matches are deleted, as AWS does; those that failed stay in flight and come again when their
    visibility timeout ends.
    """
    wanted = [item for item in items if plan.wants(item.event)]
    failures = Failures()
    if wanted:
        await _perform(platform, plan, wanted, failures)
    done = [item for item in items if item.id not in failures.ids]
    if done:
        await source.done(done)
    return bool(done)


async def _perform(platform: Platform, plan: Plan, items: list[Item], failures: Failures) -> None:
    journal = Journal(platform, plan.pipe, platform.ids.uuid())
    _count(platform, plan, "Invocations", 1)
    journal.write(INFO, "EXECUTION_STARTED", payload=[item.event for item in items])
    units = await enrich(platform, plan, items, failures, journal)
    if units:
        journal.write(INFO, "TARGET_STAGE_ENTERED", payload=[unit.value for unit in units])
        await send(platform, plan, units, failures, journal)
    elif failures.reason is None:
        journal.write(INFO, "TARGET_STAGE_SKIPPED")
    if failures.reason is None:
        if units:
            journal.write(INFO, "TARGET_STAGE_SUCCEEDED")
        journal.write(INFO, "EXECUTION_SUCCEEDED")
        return
    partly = len(failures.ids) < len(items)
    _count(platform, plan, "ExecutionPartiallyFailed" if partly else "ExecutionFailed", 1)
    if units:
        journal.write(
            ERROR, "TARGET_STAGE_PARTIALLY_FAILED" if partly else "TARGET_STAGE_FAILED", error=failures.reason
        )
    journal.write(ERROR, "EXECUTION_PARTIALLY_FAILED" if partly else "EXECUTION_FAILED", error=failures.reason)


def _count(platform: Platform, plan: Plan, meter: str, value: float) -> None:
    pipe = plan.pipe
    platform.meters.add(pipe.account, pipe.region, f"AWS/EventBridge/Pipes:{meter}", value, PipeName=pipe.name)
