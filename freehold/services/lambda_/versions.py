"""PublishVersion, ListVersionsByFunction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.lambda_ import model, packages, rows, state
from freehold.services.lambda_.model import Version
from freehold.services.lambda_.names import LATEST, FunctionName, parse_function
from freehold.services.lambda_.paging import page
from freehold.store.base import ReadTx, Tx


def publish(tx: Tx, name: FunctionName, description: str, modified: str, revision: str, stamp: str) -> Version:
    """Freeze $LATEST under the next number; where nothing changed since the last version, that version."""
    keys = state.keys_of(name)
    function = state.require_function(tx, name)
    latest = state.version_at(tx, name, 0)
    if latest is None:
        raise state.not_found(name)
    last = state.version_at(tx, name, function.last_version) if function.last_version else None
    if last is not None and last.behaviour() == latest.behaviour():
        return last
    function.last_version += 1
    version = msgspec.structs.replace(
        latest, number=function.last_version, description=description, revision=revision, last_modified=modified
    )
    for sha256 in (version.package, *(layer.package for layer in version.layers)):
        packages.hold_again(tx, sha256)
    rows.functions.put(tx, keys.function(name.name), function)
    rows.versions.put(tx, keys.version(name.name, version.number), version)
    state.touch(tx, name, stamp)
    return version


async def publish_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A numbered, immutable version of $LATEST as it is."""
    if request.get("PublishTo"):
        raise not_implemented("PublishTo LATEST_PUBLISHED")
    name = parse_function(request["FunctionName"], None, call.account, call.region)
    if name.qualifier and name.qualifier != LATEST:
        raise Fault("InvalidParameterValueException", "Only $LATEST of a function can be published.", Type="User")
    name = name._replace(qualifier="")
    ids = call.platform.ids
    stamp, revision = ids.hex(16), ids.uuid()
    moment = datetime.fromtimestamp(call.platform.clock.now(), UTC)
    modified = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"

    def body(tx: Tx) -> Version:
        latest = state.require_version(tx, name)
        state.check_revision(request.get("RevisionId"), latest.revision)
        wanted = request.get("CodeSha256")
        if wanted and wanted != latest.code_sha256:
            raise Fault(
                "InvalidParameterValueException",
                f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({latest.code_sha256}). "
                "Please try again with the CodeSHA256 in $LATEST.",
                Type="User",
            )
        return publish(tx, name, request.get("Description", latest.description), modified, revision, stamp)

    version = await call.platform.store.transact(body)
    shown = model.describe(version, name.account, name.region)
    return model.creating(shown) if version.revision == revision else shown


async def list_versions_by_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """$LATEST and every published version, in order."""
    name = parse_function(request["FunctionName"], None, call.account, call.region)
    keys = state.keys_of(name)

    def body(tx: ReadTx) -> tuple[list[Version], str | None]:
        state.require_function(tx, name)
        found, marker = page(tx, keys.versions(name.name), request)
        return [rows.versions.load(raw) for _, raw in found], marker

    versions, marker = await call.platform.store.read_many(body)
    shown = [model.describe(version, name.account, name.region) for version in versions]
    return {"Versions": shown} | ({"NextMarker": marker} if marker else {})
