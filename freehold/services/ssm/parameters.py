"""Put, get and delete parameters; versions, labels and tags."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.ids import derived
from freehold.kit.numerals import whole
from freehold.ports.call import Call
from freehold.services.ssm import sealing, state
from freehold.services.ssm.announcing import announce
from freehold.services.ssm.model import (
    DEFAULT_KEY,
    MAX_TAGS,
    STANDARD_BYTES,
    Parameter,
    Version,
    arn_of,
    check_value,
    clean_name,
    described,
    metadata,
    split_selector,
)
from freehold.services.ssm.state import Space
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]


def space(call: Call) -> Space:
    """The parameters that a call can see."""
    return Space(call.account, call.region)


async def shown(call: Call, parameter: Parameter, version: Version, *, decrypt: bool) -> str:
    """The value as the caller asked for it."""
    if version.type == "SecureString" and decrypt:
        return await sealing.unseal(call, parameter.name, version.value)
    return version.value


async def put_parameter(call: Call, request: Request) -> Request:
    name = clean_name(request["Name"])
    if request.get("Policies"):
        raise not_implemented("parameter policies (Policies of ssm:PutParameter)")
    if request.get("DataType", "text") != "text":
        raise not_implemented(f"the parameter data type {request['DataType']} (DataType of ssm:PutParameter)")
    where, plain, tags = space(call), request["Value"], {t["Key"]: t["Value"] for t in request.get("Tags", [])}
    overwrite = request.get("Overwrite", False)
    if tags and overwrite:
        raise Fault(
            "ValidationException",
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove "
            "overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource.",
        )
    existing = await call.platform.store.read(lambda tx: state.find(tx, where, name))
    version = _new_version(call, request, existing, plain)
    check_value(version, plain)
    if version.type == "SecureString":
        version.value = await sealing.seal(call, name, plain)

    id, now_ms = call.platform.ids.uuid(), call.platform.clock.now_ms()

    def body(tx: Tx) -> Version:
        stored = state.put(tx, where, name, version, tags, overwrite=overwrite)
        announce(tx, call, where, name, stored, "Create" if stored.number == 1 else "Update", id, now_ms)
        return stored

    stored = await call.platform.store.transact(body)
    return {"Version": stored.number, "Tier": stored.tier}


def _new_version(call: Call, request: Request, existing: Parameter | None, plain: str) -> Version:
    kind = request.get("Type") or (existing.current.type if existing else None)
    if kind is None:
        raise Fault("ValidationException", "A parameter type is required when you create a parameter.")
    key_id = request.get("KeyId")
    if key_id and kind != "SecureString":
        raise Fault("ValidationException", "KeyId is allowed for parameters of type SecureString only.")
    if key_id and key_id != DEFAULT_KEY:
        raise not_implemented(f"the KMS key {key_id} (KeyId of ssm:PutParameter; the default {DEFAULT_KEY} works)")
    tier = request.get("Tier") or (existing.current.tier if existing else "Standard")
    if tier == "Intelligent-Tiering":
        tier = "Advanced" if len(plain.encode()) > STANDARD_BYTES else "Standard"
    if existing and existing.current.tier == "Advanced" and tier == "Standard":
        raise Fault(
            "ValidationException",
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter "
            "tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as "
            "a standard parameter.",
        )
    return Version(
        0,
        kind,
        plain,
        call.platform.clock.now(),
        call.principal.arn,
        request.get("Description"),
        DEFAULT_KEY if kind == "SecureString" else None,
        request.get("AllowedPattern") or (existing.current.allowed_pattern if existing else None),
        tier,
    )


async def get_parameter(call: Call, request: Request) -> Request:
    name, selector = split_selector(request["Name"])
    where = space(call)
    found = await call.platform.store.read(lambda tx: state.select(tx, where, name, selector))
    if found is None:
        raise Fault("ParameterNotFound")
    parameter, version = found
    value = await shown(call, parameter, version, decrypt=request.get("WithDecryption", False))
    return {"Parameter": described(parameter, version, value, arn_of(*where, name), selector)}


async def get_parameters(call: Call, request: Request) -> Request:
    where = space(call)
    names = list(dict.fromkeys(request["Names"]))

    def body(tx: ReadTx) -> list[tuple[str, tuple[Parameter, Version] | None, str | None]]:
        found = []
        for asked in names:
            name, selector = split_selector(asked)
            try:
                found.append((asked, state.select(tx, where, name, selector), selector))
            except Fault:
                found.append((asked, None, selector))
        return found

    good, invalid = [], []
    for asked, pair, selector in await call.platform.store.read(body):
        if pair is None:
            invalid.append(asked)
            continue
        value = await shown(call, *pair, decrypt=request.get("WithDecryption", False))
        good.append(described(*pair, value, arn_of(*where, pair[0].name), selector))
    return {"Parameters": good, "InvalidParameters": invalid}


async def delete_parameter(call: Call, request: Request) -> Request:
    if not await _delete(call, [request["Name"]]):
        raise Fault("ParameterNotFound")
    return {}


async def delete_parameters(call: Call, request: Request) -> Request:
    names = list(dict.fromkeys(request["Names"]))
    deleted = await _delete(call, names)
    return {"DeletedParameters": deleted, "InvalidParameters": [name for name in names if name not in deleted]}


async def _delete(call: Call, names: list[str]) -> list[str]:
    """Delete those that exist; says which."""
    where, seed, now_ms = space(call), call.platform.ids.uuid(), call.platform.clock.now_ms()

    def body(tx: Tx) -> list[str]:
        deleted = []
        for name in names:
            parameter = state.find(tx, where, name)
            if parameter is None:
                continue
            state.delete(tx, where, name)
            announce(tx, call, where, name, parameter.current, "Delete", derived(seed, name), now_ms)
            deleted.append(name)
        return deleted

    return await call.platform.store.transact(body)


async def get_parameter_history(call: Call, request: Request) -> Request:
    where, name, limit = space(call), request["Name"], request.get("MaxResults", 50)
    first = whole(request.get("NextToken", "1"))
    if first is None:
        raise Fault("InvalidNextToken", "The specified token isn't valid.")

    def body(tx: ReadTx) -> tuple[Parameter | None, list[Version]]:
        return state.find(tx, where, name), state.history(tx, where, name, first, limit + 1)

    parameter, versions = await call.platform.store.read(body)
    if parameter is None:
        raise Fault("ParameterNotFound")
    shapes = []
    for version in versions[:limit]:
        shape = metadata(parameter, None, version)
        shape["Labels"] = parameter.labels_of(version.number)
        shape["Value"] = await shown(call, parameter, version, decrypt=request.get("WithDecryption", False))
        shapes.append(shape)
    return {"Parameters": shapes} | ({"NextToken": str(versions[limit].number)} if len(versions) > limit else {})


async def label_parameter_version(call: Call, request: Request) -> Request:
    where = space(call)
    name, id, now_ms = request["Name"], call.platform.ids.uuid(), call.platform.clock.now_ms()

    def body(tx: Tx) -> tuple[int, list[str]]:
        number, invalid = state.label(tx, where, name, request.get("ParameterVersion"), request["Labels"])
        chosen = state.select(tx, where, name, str(number))
        if chosen is not None and len(invalid) < len(request["Labels"]):
            announce(tx, call, where, name, chosen[1], "LabelParameterVersion", id, now_ms)
        return number, invalid

    number, invalid = await call.platform.store.transact(body)
    return {"InvalidLabels": invalid, "ParameterVersion": number}


async def unlabel_parameter_version(call: Call, request: Request) -> Request:
    where = space(call)
    removed, invalid = await call.platform.store.transact(
        lambda tx: state.unlabel(tx, where, request["Name"], request["ParameterVersion"], request["Labels"])
    )
    return {"RemovedLabels": removed, "InvalidLabels": invalid}


async def add_tags_to_resource(call: Call, request: Request) -> Request:
    _parameters_only(request)
    add = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    where = space(call)
    await call.platform.store.transact(lambda tx: state.tag(tx, where, request["ResourceId"], add, [], MAX_TAGS))
    return {}


async def remove_tags_from_resource(call: Call, request: Request) -> Request:
    _parameters_only(request)
    where = space(call)
    await call.platform.store.transact(
        lambda tx: state.tag(tx, where, request["ResourceId"], {}, request["TagKeys"], MAX_TAGS)
    )
    return {}


async def list_tags_for_resource(call: Call, request: Request) -> Request:
    _parameters_only(request)
    where = space(call)
    parameter = await call.platform.store.read(lambda tx: state.find(tx, where, request["ResourceId"]))
    if parameter is None:
        raise Fault("InvalidResourceId", f"The resource ID {request['ResourceId']} is not valid.")
    return {"TagList": [{"Key": key, "Value": value} for key, value in sorted(parameter.tags.items())]}


def _parameters_only(request: Request) -> None:
    if request["ResourceType"] != "Parameter":
        raise not_implemented(f"Systems Manager resources of type {request['ResourceType']}")
