"""CreateFunction, GetFunction, GetFunctionConfiguration, ListFunctions, DeleteFunction."""

from __future__ import annotations

import platform as host
from datetime import UTC, datetime
from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.runtime.base import RuntimeUnavailable
from freehold.services.lambda_ import checks, limits, model, packages, rows, state
from freehold.services.lambda_.download import code_url
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.layers import use_layers
from freehold.services.lambda_.model import Function, Version
from freehold.services.lambda_.names import LATEST, FunctionName, parse_function
from freehold.services.lambda_.packages import Upload
from freehold.services.lambda_.paging import page
from freehold.services.lambda_.rows import Keys
from freehold.services.lambda_.versions import publish
from freehold.store.base import ReadTx, Tx

_MACHINES = {"aarch64": "arm64", "arm64": "arm64"}
HOST_ARCHITECTURE = _MACHINES.get(host.machine(), "x86_64")


def name_of(call: Call, request: dict[str, Any]) -> FunctionName:
    """The function that a request addresses."""
    return parse_function(request["FunctionName"], request.get("Qualifier"), call.account, call.region)


def timestamp(seconds: float) -> str:
    """`2026-01-01T00:00:00.000+0000`, as Lambda writes dates."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def resolve_runtime(call: Call, runtime: str) -> str:
    """What will really run, and is made ready; InvalidParameterValueException names what to install where nothing can."""
    try:
        runs_on = call.platform.runtime.resolve(runtime)
    except RuntimeUnavailable as error:
        raise Fault("InvalidParameterValueException", str(error), Type="User") from error
    call.platform.runtime.expect(runtime)
    return runs_on


def check_role(call: Call, role: str) -> None:
    """A guarded server holds to AWS's rule that a function's role is of its own account. An open one, where accounts are
    whatever keys say, takes any (and gives the function a session in its own account: see credentials)."""
    parsed = arns.parse(role)
    if call.platform.settings.guarded and parsed is not None and parsed.account != call.account:
        raise Fault("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)


def check_unzipped(upload: int, layers: list[model.LayerUse]) -> None:
    """Code and layers together stay below 250 MB."""
    total = upload + sum(layer.unzipped for layer in layers)
    if layers and total >= limits.MAX_UNZIPPED:
        raise Fault(
            "InvalidParameterValueException",
            f"Function code combined with layers exceeds the maximum allowed size of {limits.MAX_UNZIPPED} bytes. "
            f"The actual size is {total} bytes.",
            Type="User",
        )


async def create_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Keep the code, unpack it, write function and $LATEST in one commit."""
    name = _new_name(call, request)
    checks.refuse_unimplemented(request)
    if not request.get("Runtime") or not request.get("Handler"):
        raise Fault(
            "InvalidParameterValueException",
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            Type="User",
        )
    checks.settings(request)
    checks.tags(request.get("Tags") or {})
    check_role(call, request["Role"])
    runs_on = resolve_runtime(call, request["Runtime"])
    key = state.keys_of(name).function(name.name)
    if await call.platform.store.read(lambda tx: tx.get(key)) is not None:
        raise Fault("ResourceConflictException", f"Function already exist: {name.name}", Type="User")
    engine, ids = engine_of(call.platform), call.platform.ids
    upload = await engine.packages.receive(call, request["Code"])
    latest = _first_version(call, request, name, upload, runs_on)
    function = Function(name.name, ids.hex(16), tags=dict(request.get("Tags") or {}))
    stamp, revision = ids.hex(16), ids.uuid()
    blobs = call.platform.blobs

    def body(tx: Tx) -> dict[str, Any]:
        version = use_layers(tx, call, latest, request.get("Layers") or [])
        check_unzipped(upload.unzipped, version.layers)
        packages.hold(tx, blobs, upload)
        state.create(tx, name, function, version, stamp)
        if request.get("Publish"):
            version = publish(tx, name, version.description, version.last_modified, revision, stamp)
            return model.describe(version, name.account, name.region)
        return model.describe(version, name.account, name.region, qualified=False)

    return model.creating(await call.platform.store.transact(body))


def _new_name(call: Call, request: dict[str, Any]) -> FunctionName:
    name = parse_function(request["FunctionName"], None, call.account, call.region)
    if len(name.name) > limits.MAX_NAME:
        raise Fault(
            "ValidationException",
            f"1 validation error detected: Value '{name.name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {limits.MAX_NAME}",
        )
    if name.qualifier or name.account != call.account:
        raise Fault("InvalidParameterValueException", f"Invalid function name: {request['FunctionName']}", Type="User")
    return name


def _first_version(call: Call, request: dict[str, Any], name: FunctionName, upload: Upload, runs_on: str) -> Version:
    logging = request.get("LoggingConfig") or {}
    json_logs = logging.get("LogFormat") == "JSON"
    return Version(
        name=name.name,
        number=0,
        runtime=request["Runtime"],
        role=request["Role"],
        handler=request["Handler"],
        package=upload.sha256,
        code_size=upload.size,
        unzipped=upload.unzipped,
        revision=call.platform.ids.uuid(),
        last_modified=timestamp(call.platform.clock.now()),
        description=request.get("Description", ""),
        timeout=request.get("Timeout", 3),
        memory=request.get("MemorySize", 128),
        environment=dict((request.get("Environment") or {}).get("Variables") or {}),
        architecture=(request.get("Architectures") or ["x86_64"])[0],
        ephemeral=(request.get("EphemeralStorage") or {}).get("Size", 512),
        tracing=(request.get("TracingConfig") or {}).get("Mode", "PassThrough"),
        log_format=logging.get("LogFormat", "Text"),
        application_level=logging.get("ApplicationLogLevel", "INFO") if json_logs else None,
        system_level=logging.get("SystemLogLevel", "INFO") if json_logs else None,
        log_group=logging.get("LogGroup") or f"/aws/lambda/{name.name}",
        runs_on=runs_on,
        host_architecture=HOST_ARCHITECTURE,
        dead_letter=(request.get("DeadLetterConfig") or {}).get("TargetArn") or None,
    )


async def get_function_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a version, by number, alias or none."""
    name = name_of(call, request)
    version = await call.platform.store.read(lambda tx: state.require_version(tx, name))
    return _describe_as(call, version, name)


def _describe_as(call: Call, version: Version, name: FunctionName) -> dict[str, Any]:
    """A version's configuration with the ARN under which it was asked for (an alias shows its own), and with what
    isolation it lacks on this host."""
    shown = model.describe(version, name.account, name.region, qualified=bool(name.qualifier))
    if name.qualifier:
        shown["FunctionArn"] = name.qualified_arn
    if weakness := call.platform.runtime.weakness():
        error = shown["RuntimeVersionConfig"].setdefault("Error", {"ErrorCode": "WeakerIsolation", "Message": ""})
        error["Message"] = f"{error['Message']} {weakness}".strip()
    return shown


async def get_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Configuration, tags, reserved concurrency, and where the package can be fetched for ten minutes."""
    name = name_of(call, request)

    def body(tx: ReadTx) -> tuple[Version, Function]:
        return state.require_version(tx, name), state.require_function(tx, name)

    version, function = await call.platform.store.read(body)
    shown: dict[str, Any] = {
        "Configuration": _describe_as(call, version, name),
        "Code": {"RepositoryType": "S3", "Location": await code_url(call, version.package)},
    }
    if function.tags and not name.qualifier:
        shown["Tags"] = dict(function.tags)
    if function.reserved is not None:
        shown["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
    return shown


async def list_functions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """$LATEST of every function, or all versions of all functions; fifty at a time."""
    if request.get("MasterRegion") not in (None, "ALL", call.region):
        return {"Functions": []}
    keys = Keys(call.account, call.region)
    every = request.get("FunctionVersion") == "ALL"

    def body(tx: ReadTx) -> tuple[list[Version], str | None]:
        if every:
            found, marker = page(tx, keys.all_versions(), request)
            return [rows.versions.load(raw) for _, raw in found], marker
        found, marker = page(tx, keys.functions(), request)
        names = [rows.functions.load(raw).name for _, raw in found]
        latest = tx.get_many([keys.version(name, 0) for name in names])
        return [rows.versions.load(raw) for raw in latest if raw is not None], marker

    versions, marker = await call.platform.store.read_many(body)
    shown = [model.describe(version, call.account, call.region, qualified=every) for version in versions]
    return {"Functions": shown} | ({"NextMarker": marker} if marker else {})


async def delete_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A function with everything it has, or one of its published versions."""
    name = name_of(call, request)
    engine, stamp, blobs = engine_of(call.platform), call.platform.ids.hex(16), call.platform.blobs
    if name.qualifier == LATEST:
        raise Fault(
            "InvalidParameterValueException",
            "$LATEST version cannot be deleted without deleting the function.",
            Type="User",
        )
    if name.qualifier and not state.is_number(name.qualifier):
        raise Fault("InvalidParameterValueException", "Deletion of aliases is not currently supported.", Type="User")

    def body(tx: Tx) -> list[str]:
        if name.qualifier:
            return state.delete_version(tx, blobs, name, int(name.qualifier), stamp)
        return state.delete(tx, blobs, name)

    gone = await call.platform.store.transact(body)
    if name.qualifier:
        call.platform.runtime.retire(name.arn)
    else:
        engine.forget(name)
        await engine.refresh_reserved(name.account, name.region)
    engine.packages.forget(gone)
    return {"StatusCode": 204}
