"""Targets: units to where the pipe leads. Queues, topics, buses, log groups and asynchronous functions take a batch in
one transaction; functions, API destinations and APIs are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.rules.inputs import InvalidInput
from freehold.services.pipes.calls import Failed, invoke, request
from freehold.services.pipes.checks import API, DESTINATION, FUNCTION
from freehold.services.pipes.journal import TRACE, Journal
from freehold.services.pipes.plan import Plan, filled
from freehold.services.pipes.senders import SENDERS, Parcel
from freehold.services.pipes.units import Failures, Unit
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

_DELIVERIES, _BYTES = 100, 1 << 20
"""What one transaction takes (law 4)."""


async def send(platform: Platform, plan: Plan, units: list[Unit], failures: Failures, journal: Journal) -> None:
    """Send the units in order; those that did not arrive are in `failures`."""
    if plan.target_kind == FUNCTION and plan.target.get("InvocationType") != "FIRE_AND_FORGET":
        await _invoke(platform, plan, units, failures, journal)
    elif plan.target_kind in (API, DESTINATION):
        for unit in units:
            if not failures.held_back(unit):
                await _request(platform, plan, unit, failures, journal)
    else:
        await _commit(platform, plan, units, failures, journal)


async def _invoke(platform: Platform, plan: Plan, units: list[Unit], failures: Failures, journal: Journal) -> None:
    """The whole batch as a JSON array; the function may answer which messages failed."""
    variables, template = plan.variables(iso8601(platform.clock.now())), plan.target_template
    made, sent = [], []
    for unit in units:
        if failures.held_back(unit):
            continue
        try:
            made.append(template.json(unit.value, variables) if template else orjson.dumps(unit.value).decode())
            sent.append(unit)
        except InvalidInput as error:
            failures.add(unit.items, str(error))
    if not sent:
        return
    payload = f"[{','.join(made)}]"
    journal.write(TRACE, "TARGET_INVOCATION_STARTED", awsRequest=payload)
    try:
        said = await invoke(platform, plan, plan.pipe.target, payload.encode(), sent[0].trace)
    except Failed as failed:
        for unit in sent:
            failures.add(unit.items, f"the target failed: {failed}")
        return
    journal.write(TRACE, "TARGET_INVOCATION_SUCCEEDED", awsResponse=said.decode(errors="replace"))
    _partial(said, sent, failures)


def _partial(said: bytes, units: list[Unit], failures: Failures) -> None:
    """`{"batchItemFailures": [{"itemIdentifier": id}]}` names messages that come again. An id that is none of the
    batch's, or none at all, fails the whole batch, as for Lambda's own mappings."""
    try:
        answer = orjson.loads(said) if said.strip() else None
    except orjson.JSONDecodeError:
        return
    listed = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if not listed:
        return
    items = {item.id: item for unit in units for item in unit.items}
    ids = [_identifier(each) for each in listed] if isinstance(listed, list) else [""]
    if all(id in items for id in ids):
        failures.add(tuple(items[id] for id in ids), "the target reported batch item failures")
    else:
        failures.add(tuple(items.values()), "the target reported batch item failures with an unknown identifier")


def _identifier(failure: Any) -> str:
    return str(failure.get("itemIdentifier", "")) if isinstance(failure, dict) else ""


async def _request(platform: Platform, plan: Plan, unit: Unit, failures: Failures, journal: Journal) -> None:
    variables, template = plan.variables(iso8601(platform.clock.now())), plan.target_template
    try:
        body = template.text(unit.value, variables) if template else text_of(unit.value)
        http = filled(plan.target, plan.opened(unit.value))
        journal.write(TRACE, "TARGET_INVOCATION_STARTED", awsRequest=body)
        said = await request(platform, plan, plan.target_kind, plan.pipe.target, body.encode(), http)
    except (Failed, InvalidInput) as error:
        failures.add(unit.items, f"the target failed: {error}")
    else:
        journal.write(TRACE, "TARGET_INVOCATION_SUCCEEDED", awsResponse=said.decode(errors="replace"))


def text_of(value: Any) -> str:
    """A value as a target is sent it: text that an enrichment answered stays text."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


async def _commit(platform: Platform, plan: Plan, units: list[Unit], failures: Failures, journal: Journal) -> None:
    parcels: list[Parcel] = []
    variables, template = plan.variables(iso8601(platform.clock.now())), plan.target_template
    for number, unit in enumerate(units):
        try:
            body = template.text(unit.value, variables) if template else text_of(unit.value)
            parameters = filled(plan.target, plan.opened(unit.value))
        except InvalidInput as error:
            failures.add(unit.items, str(error))
            continue
        # The same for the same reception of a message: what is sent again by a retried transaction is the same.
        id = derived(plan.pipe.uid, unit.items[0].receipt, str(number))
        parcels.append(Parcel(unit, id, body, parameters))
    journal.write(TRACE, "TARGET_INVOCATION_STARTED", awsRequest=[parcel.body for parcel in parcels])
    now_ms = platform.clock.now_ms()
    for page in _pages(parcels):
        waiting = [parcel for parcel in page if not failures.held_back(parcel.unit)]
        for parcel, reason in await platform.store.transact(_body(platform, plan, waiting, now_ms)):
            failures.add(parcel.unit.items, f"the target failed: {reason}")


def _pages(parcels: list[Parcel]) -> list[list[Parcel]]:
    pages: list[list[Parcel]] = []
    room = 0
    for parcel in parcels:
        if not pages or len(pages[-1]) >= _DELIVERIES or len(parcel.body) > room:
            pages.append([])
            room = _BYTES
        pages[-1].append(parcel)
        room -= len(parcel.body)
    return pages


def _body(
    platform: Platform, plan: Plan, parcels: list[Parcel], now_ms: int
) -> Callable[[Tx], list[tuple[Parcel, str]]]:
    sender = SENDERS[plan.target_kind]

    def body(tx: Tx) -> list[tuple[Parcel, str]]:
        failed: list[tuple[Parcel, str]] = []
        groups: set[str] = set()
        for parcel in parcels:
            if parcel.unit.group is not None and parcel.unit.group in groups:
                failed.append((parcel, "an earlier message of the group failed"))
                continue
            try:
                sender(tx, platform, plan, parcel, now_ms)
            except Fault as fault:
                failed.append((parcel, f"{fault.code}: {fault.message}"))
                if parcel.unit.group is not None:
                    groups.add(parcel.unit.group)
        return failed

    return body
