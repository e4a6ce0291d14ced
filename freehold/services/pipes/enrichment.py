"""Enrichment: what a function or an API makes of the events, before the target gets them.

Functions are given the batch as a JSON array and answer the events for the target (an array) or one event; APIs are
given one event at a time. An empty answer ends the execution there, successfully: the target is not called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.clock import iso8601
from freehold.rules.inputs import InvalidInput
from freehold.rules.inputs.pieces import MAX_LEVELS, as_json
from freehold.rules.inputs.templates import decoded
from freehold.services.pipes.calls import Failed, invoke, request
from freehold.services.pipes.checks import FUNCTION
from freehold.services.pipes.journal import ERROR, INFO, TRACE, Journal
from freehold.services.pipes.plan import ENCODED, Plan, filled
from freehold.services.pipes.sources import Item
from freehold.services.pipes.units import Failures, Unit

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


async def enrich(platform: Platform, plan: Plan, items: list[Item], failures: Failures, journal: Journal) -> list[Unit]:
    """The units for the target; items that failed are in `failures`."""
    if plan.enrichment_kind is None:
        return [Unit(item.event, (item,)) for item in items]
    journal.write(INFO, "ENRICHMENT_STAGE_ENTERED", payload=[item.event for item in items])
    batches = [tuple(items)] if plan.enrichment_kind == FUNCTION else [(item,) for item in items]
    units: list[Unit] = []
    for batch in batches:
        if batch[0].group is not None and batch[0].group in failures.groups:
            failures.add(batch, "an earlier message of the group failed")
            continue
        try:
            answers = await _call(platform, plan, batch, journal)
        except (Failed, InvalidInput) as error:
            failures.add(batch, f"the enrichment failed: {error}")
            continue
        units += [Unit(answer, batch) for answer in answers]
    if failures.reason is None:
        journal.write(INFO, "ENRICHMENT_STAGE_SUCCEEDED", payload=[unit.value for unit in units])
    else:
        journal.write(ERROR, "ENRICHMENT_STAGE_FAILED", error=failures.reason)
    return units


async def _call(platform: Platform, plan: Plan, batch: tuple[Item, ...], journal: Journal) -> list[Any]:
    variables = plan.variables(iso8601(platform.clock.now()))
    template, kind, arn = plan.enrichment_template, plan.enrichment_kind or "", plan.pipe.enrichment or ""
    events = [item.event for item in batch]
    if kind == FUNCTION:
        made = [template.json(event, variables) if template else orjson.dumps(event).decode() for event in events]
        payload = f"[{','.join(made)}]"
        journal.write(TRACE, "ENRICHMENT_INVOCATION_STARTED", awsRequest=payload)
        said = await invoke(platform, plan, arn, payload.encode(), batch[0].trace)
    else:
        payload = template.text(events[0], variables) if template else orjson.dumps(events[0]).decode()
        http = filled(plan.enrichment_http, decoded(events[0], ENCODED))
        journal.write(TRACE, "ENRICHMENT_INVOCATION_STARTED", awsRequest=payload)
        said = await request(platform, plan, kind, arn, payload.encode(), http)
    journal.write(TRACE, "ENRICHMENT_INVOCATION_SUCCEEDED", awsResponse=said.decode(errors="replace"))
    return answers_of(said)


def answers_of(said: bytes) -> list[Any]:
    """The events that an enrichment answered: a JSON array is several, text that is not JSON is one. Raises InvalidInput
    for what is nested too deeply to be sent on."""
    try:
        value = orjson.loads(said) if said.strip() else None
    except orjson.JSONDecodeError:
        value = said.decode(errors="replace")
    if value in (None, "", {}, []):
        return []
    if said.count(b"[") + said.count(b"{") > MAX_LEVELS:
        as_json(value)
    return value if isinstance(value, list) else [value]
