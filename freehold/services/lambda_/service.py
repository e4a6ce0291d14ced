"""AWS Lambda."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from freehold.kit import arns
from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.services.lambda_ import (
    aliases,
    check,
    concurrency,
    download,
    fixed,
    functions,
    invoke,
    invoke_configs,
    layer_policies,
    layers,
    policies,
    recursion_configs,
    tags,
    updates,
    url_door,
    urls,
    versions,
)
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.asynchronous.lanes import Lanes, lanes_of
from freehold.services.lambda_.credentials import RoleCredentials
from freehold.services.lambda_.engine import Engine, engine_of
from freehold.services.lambda_.mappings import control as mappings
from freehold.services.lambda_.mappings import supervision
from freehold.services.lambda_.port import FunctionsPort
from freehold.services.lambda_.resources import TYPES

SWEEP_S = 60.0
_OF_ALL = frozenset(("CreateEventSourceMapping", "ListEventSourceMappings"))
"""Operations that policies allow or deny for all resources at once, whatever function they name."""


def arn(call: Call) -> str:
    """The function, layer or mapping that a call names."""
    params = call.params
    if call.operation.name in _OF_ALL:
        return "*"
    name = params.get("FunctionName")
    if name is not None:
        try:
            return invoke.address_arn(name, params.get("Qualifier"), call.account, call.region)
        except invoke.Fault:
            return call.arn("lambda", "function:*")  # the handler says what is wrong with it
    layer = params.get("LayerName")
    if layer is not None:
        resource: str = layer if layer.startswith("arn:") else call.arn("lambda", f"layer:{layer}")
        return f"{resource}:{params['VersionNumber']}" if "VersionNumber" in params else resource
    if "UUID" in params:
        return call.arn("lambda", f"event-source-mapping:{params['UUID']}")
    given = params.get("Resource") or params.get("Arn")
    return given if given and arns.parse(given) else "*"


def _ports(platform: Platform) -> Mapping[str, Any]:
    engine = platform.own["lambda"] = Engine(platform)
    engine.packages.prepare()  # before the runtime starts, which shows this directory to its templates
    return {"functions": FunctionsPort(platform)}


async def _start(platform: Platform) -> None:
    """Take the runtime's output and give it credentials; tidy what a crash may have left."""
    engine = engine_of(platform)
    await engine.packages.sweep_all()
    engine.start()
    platform.runtime.sink = engine.sink
    platform.runtime.credentials = RoleCredentials(platform)

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await engine.packages.sweep()

    platform.tasks.loop("lambda: unused packages", sweep)
    lanes = platform.own["lambda.lanes"] = Lanes(platform)
    await lanes.start()
    await supervision.start(platform)


async def _settle(platform: Platform) -> bool:
    """Wait until no asynchronous event is due that has room, no mapping has anything to do, and none of them runs."""
    worked = await lanes_of(platform).settle()
    return await supervision.settle(platform) or worked


async def _stop(platform: Platform) -> None:
    await supervision.stop(platform)
    await lanes_of(platform).close()
    engine_of(platform).sink.write_begun()


MANIFEST = Manifest(
    model="lambda",
    handlers=(
        functions,
        updates,
        versions,
        aliases,
        layers,
        layer_policies,
        policies,
        concurrency,
        tags,
        urls,
        fixed,
        invoke,
        invoke_configs,
        recursion_configs,
        mappings,
    ),
    arn=arn,
    prefix="lambda",
    actions={
        "Invoke": "InvokeFunction",
        "InvokeWithResponseStream": "InvokeFunction",
        "GetLayerVersionByArn": "GetLayerVersion",
    },
    types=TYPES,
    hosts={url_door.DOOR: url_door.serve, download.DOOR: download.serve},
    deliverers={events.KIND: events.adopt},
    settle=_settle,
    ports=_ports,
    start=_start,
    stop=_stop,
    check=check.check,
)
