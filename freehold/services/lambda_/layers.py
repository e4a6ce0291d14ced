"""PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, ListLayers, ListLayerVersions, DeleteLayerVersion."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.lambda_ import access, checks, packages, rows, state
from freehold.services.lambda_.download import code_url
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.model import LayerUse, LayerVersion, Version
from freehold.services.lambda_.names import LayerName, parse_layer
from freehold.services.lambda_.paging import page
from freehold.services.lambda_.rows import Keys
from freehold.store.base import ReadTx, Tx


def use_layers(tx: Tx, call: Call, version: Version, wanted: list[str]) -> Version:
    """The version with these layers, which it now holds. Raises where one is missing or another account keeps it."""
    used = []
    for arn in wanted:
        name = parse_layer(arn, call.account, call.region)
        if name.region != call.region:
            raise Fault("InvalidParameterValueException", f"Layer version {arn} is not of {call.region}.", Type="User")
        layer = find_layer(tx, name)
        if layer is None:
            raise Fault("InvalidParameterValueException", f"Layer version {arn} does not exist.", Type="User")
        check_access(tx, call, name)
        packages.hold_again(tx, layer.package)
        used.append(LayerUse(name.version_arn, layer.size, layer.unzipped, layer.package))
    return msgspec.structs.replace(version, layers=used)


def check_access(tx: ReadTx, call: Call, name: LayerName) -> None:
    """Another account's layer needs a permission of its own."""
    if name.account == call.account:
        return
    policy = rows.policies.get(tx, Keys(name.account, name.region).layer_policy(name.name, name.version))
    granted = [] if policy is None else list(policy.statements.values())
    if not any(access.grants(each, call.principal, "lambda:GetLayerVersion") for each in granted):
        raise access.refused(call.principal, "lambda:GetLayerVersion", name.version_arn)


def find_layer(tx: ReadTx, name: LayerName) -> LayerVersion | None:
    """A layer version by name and number."""
    return rows.layer_versions.get(tx, Keys(name.account, name.region).layer(name.name, name.version))


def require_layer(tx: ReadTx, name: LayerName) -> LayerVersion:
    """A layer version, or ResourceNotFoundException."""
    layer = find_layer(tx, name) if 0 < name.version < 1 << 63 else None
    if layer is None:
        raise Fault("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return layer


async def publish_layer_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Keep an archive as the next version of a layer."""
    name = parse_layer(request["LayerName"], call.account, call.region)
    if name.account != call.account:
        raise Fault("InvalidParameterValueException", f"Invalid layer name: {request['LayerName']}", Type="User")
    checks.refuse_unimplemented({"Code": request["Content"]})
    engine = engine_of(call.platform)
    upload = await engine.packages.receive(call, request["Content"])
    moment = datetime.fromtimestamp(call.platform.clock.now(), UTC)
    created = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
    keys = Keys(call.account, call.region)

    def body(tx: Tx) -> dict[str, Any]:
        number = (rows.numbers.get(tx, keys.layer_number(name.name)) or 0) + 1
        layer = LayerVersion(
            name=name.name,
            number=number,
            package=upload.sha256,
            size=upload.size,
            unzipped=upload.unzipped,
            created=created,
            description=request.get("Description", ""),
            runtimes=list(request.get("CompatibleRuntimes") or []),
            architectures=list(request.get("CompatibleArchitectures") or []),
            license=request.get("LicenseInfo"),
        )
        packages.hold(tx, call.platform.blobs, upload)
        rows.numbers.put(tx, keys.layer_number(name.name), number)
        rows.layer_versions.put(tx, keys.layer(name.name, number), layer)
        return {"layer": msgspec.to_builtins(layer)}

    layer = msgspec.convert((await once.transact(call, body))["layer"], LayerVersion)
    return await _with_content(call, name._replace(version=layer.number), layer)


def _item(name: LayerName, layer: LayerVersion) -> dict[str, Any]:
    """LayerVersionsListItem."""
    shown: dict[str, Any] = {
        "LayerVersionArn": name.version_arn,
        "Version": layer.number,
        "Description": layer.description,
        "CreatedDate": layer.created,
    }
    if layer.runtimes:
        shown["CompatibleRuntimes"] = layer.runtimes
    if layer.architectures:
        shown["CompatibleArchitectures"] = layer.architectures
    if layer.license:
        shown["LicenseInfo"] = layer.license
    return shown


async def _with_content(call: Call, name: LayerName, layer: LayerVersion) -> dict[str, Any]:
    return _item(name, layer) | {
        "LayerArn": name.arn,
        "Content": {
            "Location": await code_url(call, layer.package),
            "CodeSha256": base64.b64encode(bytes.fromhex(layer.package)).decode(),
            "CodeSize": layer.size,
        },
    }


async def _get(call: Call, name: LayerName) -> dict[str, Any]:
    def body(tx: ReadTx) -> LayerVersion:
        check_access(tx, call, name)
        return require_layer(tx, name)

    return await _with_content(call, name, await call.platform.store.read(body))


async def get_layer_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A layer version by name and number."""
    name = parse_layer(request["LayerName"], call.account, call.region)
    return await _get(call, name._replace(version=request["VersionNumber"]))


async def get_layer_version_by_arn(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A layer version by ARN."""
    return await _get(call, parse_layer(request["Arn"], call.account, call.region))


async def list_layers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Every layer with its latest matching version."""
    keys = Keys(call.account, call.region)

    def body(tx: ReadTx) -> tuple[list[LayerVersion], str | None]:
        found, marker = page(tx, keys.layer_numbers(), request)
        latest = []
        for key, _ in found:
            name = state.last_part(key)
            for _, raw in reversed(state.scan_all(tx, *keys.layer_versions(name))):
                layer = rows.layer_versions.load(raw)
                if _matches(layer, request):
                    latest.append(layer)
                    break
        return latest, marker

    layers, marker = await call.platform.store.read_many(body)
    shown = []
    for layer in layers:
        name = LayerName(call.account, call.region, layer.name, layer.number)
        shown.append({"LayerName": name.name, "LayerArn": name.arn, "LatestMatchingVersion": _item(name, layer)})
    return {"Layers": shown} | ({"NextMarker": marker} if marker else {})


async def list_layer_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The versions of a layer that match, newest first."""
    name = parse_layer(request["LayerName"], call.account, call.region)
    keys = Keys(name.account, name.region)
    found = await call.platform.store.read_many(lambda tx: state.scan_all(tx, *keys.layer_versions(name.name)))
    layers = [layer for _, raw in reversed(found) if _matches(layer := rows.layer_versions.load(raw), request)]
    marker = whole(request.get("Marker") or "")
    if marker is not None:
        layers = [layer for layer in layers if layer.number < marker]
    size = min(request.get("MaxItems") or 50, 50)
    shown = {"LayerVersions": [_item(name._replace(version=layer.number), layer) for layer in layers[:size]]}
    return shown | ({"NextMarker": str(layers[size - 1].number)} if len(layers) > size else {})


def _matches(layer: LayerVersion, request: dict[str, Any]) -> bool:
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    if runtime is not None and runtime not in layer.runtimes:
        return False
    return architecture is None or architecture in layer.architectures


async def delete_layer_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a layer version. Functions that use it keep it; removing one that is not there succeeds."""
    name = parse_layer(request["LayerName"], call.account, call.region)._replace(version=request["VersionNumber"])
    if name.account != call.account:
        raise access.refused(call.principal, "lambda:DeleteLayerVersion", name.version_arn)
    keys = Keys(name.account, name.region)

    def body(tx: Tx) -> list[str]:
        layer = find_layer(tx, name)
        if layer is None:
            return []
        tx.delete(keys.layer(name.name, name.version))
        tx.delete(keys.layer_policy(name.name, name.version))
        return [layer.package] if packages.drop(tx, call.platform.blobs, layer.package) else []

    engine_of(call.platform).packages.forget(await call.platform.store.transact(body))
    return {}
