"""Tags of buses and rules."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.events import rows
from freehold.services.events.common import Request, Result, invalid, no_bus, require_rule
from freehold.services.events.model import Bus, Rule
from freehold.services.events.names import DEFAULT, BusName, bus_of_arn, rule_of_arn
from freehold.store.base import ReadTx, Tx

MAX_TAGS = 50


def tags_of(request: dict[str, Any]) -> dict[str, str]:
    """The tags of a request, checked."""
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    if len(tags) != len(request.get("Tags", [])):
        raise invalid("Duplicate tag keys are not allowed.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid("Tag keys that begin with aws: are reserved.")
    return _checked(tags)


def _checked(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise Fault("LimitExceededException", f"A resource can have at most {MAX_TAGS} tags.")
    return tags


def _tagged(tx: ReadTx, call: Call, arn: str, now_ms: int) -> tuple[BusName, Bus | Rule]:
    """The bus or rule of an ARN."""
    named = rule_of_arn(arn)
    if named is not None and _own(named[0], call):
        return named[0], require_rule(tx, *named)
    bus = bus_of_arn(arn)
    if bus is None or not _own(bus, call):
        raise invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
    row = rows.bus(tx, bus)
    if row is None and bus.name != DEFAULT:
        raise no_bus(bus)
    return bus, row or rows.fresh(now_ms)


def _own(bus: BusName, call: Call) -> bool:
    return (bus.account, bus.region) == (call.account, call.region)


async def list_tags_for_resource(call: Call, request: Request) -> Result:
    arn, now_ms = request["ResourceARN"], call.platform.clock.now_ms()
    _, row = await call.platform.store.read(lambda tx: _tagged(tx, call, arn, now_ms))
    return {"Tags": [{"Key": key, "Value": value} for key, value in row.tags.items()]}


async def tag_resource(call: Call, request: Request) -> Result:
    added = tags_of(request)
    await _change(call, request["ResourceARN"], lambda tags: _checked(tags | added))
    return {}


async def untag_resource(call: Call, request: Request) -> Result:
    gone = set(request["TagKeys"])
    await _change(
        call, request["ResourceARN"], lambda tags: {key: value for key, value in tags.items() if key not in gone}
    )
    return {}


async def _change(call: Call, arn: str, change: Any) -> None:
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        bus, row = _tagged(tx, call, arn, now_ms)
        row.tags = change(row.tags)
        if isinstance(row, Rule):
            rows.put_rule(tx, bus, row)
        else:
            rows.touch(tx, bus, row, token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
