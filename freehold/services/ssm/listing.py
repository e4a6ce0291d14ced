"""DescribeParameters and GetParametersByPath: pages of parameters under filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.ssm import state
from freehold.services.ssm.model import Parameter, Version, arn_of, described, metadata
from freehold.services.ssm.parameters import shown, space
from freehold.services.ssm.state import Space
from freehold.store.base import ReadTx

Request = dict[str, Any]
Test = Callable[[Parameter], bool]

_OPTIONS = {"Name": ("Equals", "BeginsWith", "Contains"), "Path": ("OneLevel", "Recursive")}
_BY_PATH = ("Type", "KeyId", "Label")
_LEGACY_OPTION = {"Name": "BeginsWith", "Type": "Equals", "KeyId": "Equals"}
_PAGE = 200


async def describe_parameters(call: Call, request: Request) -> Request:
    if request.get("Shared"):
        return {"Parameters": []}
    tests = [_test(item) for item in request.get("ParameterFilters", [])]
    for item in request.get("Filters", []):
        tests.append(_test({**item, "Option": _LEGACY_OPTION.get(item["Key"], "Equals")}))
    found, token = await _collect(call, "", tests, request, request.get("MaxResults", 50))
    where = space(call)
    shapes = [metadata(parameter, arn_of(*where, parameter.name)) for parameter in found]
    return {"Parameters": shapes} | ({"NextToken": token} if token else {})


async def get_parameters_by_path(call: Call, request: Request) -> Request:
    path = request["Path"]
    if not path.startswith("/"):
        raise Fault(
            "ValidationException",
            'The parameter path must start with "/". '
            if path
            else "The parameter doesn't meet the parameter name requirements.",
        )
    prefix = path if path.endswith("/") else path + "/"
    tests: list[Test] = []
    label: str | None = None
    for item in request.get("ParameterFilters", []):
        if item["Key"] not in _BY_PATH:
            raise Fault(
                "InvalidFilterKey",
                f"The following filter key is not valid: {item['Key']}. Valid filter keys include: [Type, KeyId, Label].",
            )
        if item["Key"] == "Label":
            label = item.get("Values", [""])[0]
        tests.append(_test(item))
    if not request.get("Recursive", False):
        tests.append(lambda parameter: "/" not in parameter.name[len(prefix) :])
    found, token = await _collect(call, prefix, tests, request, request.get("MaxResults", 10))
    where = space(call)
    shapes = []
    for parameter in found:
        version = parameter.current
        if label:
            version = await _labelled(call, where, parameter, label)
        value = await shown(call, parameter, version, decrypt=request.get("WithDecryption", False))
        shapes.append(described(parameter, version, value, arn_of(*where, parameter.name), label))
    return {"Parameters": shapes} | ({"NextToken": token} if token else {})


async def _labelled(call: Call, where: Space, parameter: Parameter, label: str) -> Version:
    pair = await call.platform.store.read(lambda tx: state.select(tx, where, parameter.name, label))
    return pair[1] if pair else parameter.current


async def _collect(
    call: Call, prefix: str, tests: list[Test], request: Request, limit: int
) -> tuple[list[Parameter], str | None]:
    where = space(call)
    start_after = request.get("NextToken", "")
    found: list[Parameter] = []
    while True:
        rows = await call.platform.store.read(_page(where, prefix, start_after))
        for parameter in rows:
            if all(test(parameter) for test in tests):
                if len(found) == limit:
                    return found, found[-1].name
                found.append(parameter)
        if len(rows) < _PAGE:
            return found, None
        start_after = rows[-1].name


def _page(where: Space, prefix: str, start_after: str) -> Callable[[ReadTx], list[Parameter]]:
    return lambda tx: state.page(tx, where, prefix, start_after, _PAGE)


def _test(item: Request) -> Test:
    """One filter as a function. Raises InvalidFilterKey, InvalidFilterOption."""
    key, values = item["Key"], item.get("Values", [])
    option = item.get("Option") or ("OneLevel" if key == "Path" else "Equals")
    if option not in _OPTIONS.get(key, ("Equals",)):
        raise Fault(
            "InvalidFilterOption",
            f"The following filter option is not valid: {option}. Valid options include: "
            f"{list(_OPTIONS.get(key, ('Equals',)))}.",
        )
    if key == "Name":
        return _name_test(option, values)
    if key == "Path":
        return lambda p: any(_below(p.name, path, recursive=option == "Recursive") for path in values)
    if key.startswith("tag:"):
        tag = key[4:]
        return lambda p: tag in p.tags and (not values or p.tags[tag] in values)
    if key == "Label":
        return lambda p: any(label in p.labels for label in values)
    field = {"Type": "type", "KeyId": "key_id", "Tier": "tier", "DataType": "data_type"}.get(key)
    if field is None:
        raise Fault("InvalidFilterKey", f"The following filter key is not valid: {key}.")
    return lambda p: getattr(p.current, field) in values


def _name_test(option: str, values: list[str]) -> Test:
    if option == "BeginsWith":
        return lambda p: any(p.name.startswith(v) or p.name.lstrip("/").startswith(v) for v in values)
    if option == "Contains":
        return lambda p: any(v in p.name for v in values)
    return lambda p: p.name in values


def _below(name: str, path: str, *, recursive: bool) -> bool:
    prefix = path if path.endswith("/") else path + "/"
    return name.startswith(prefix) and (recursive or "/" not in name[len(prefix) :])
