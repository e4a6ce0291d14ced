"""Intrinsic functions and pseudo-parameters, evaluated over a Scope.

What is not known yet (the id of a resource that is still to be created) is UNKNOWN; a function of something unknown is
unknown. A missing thing raises TemplateError with AWS's message.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.parameters import text

SUB_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SUB_NAME = re.compile(r"[A-Za-z0-9_.:]+\Z")
MAX_TEXT = 1 << 20
"""Characters that one Fn::Sub or Fn::Join may produce."""


class Unknown:
    """The value of something that will only be known when it has been created."""

    def __repr__(self) -> str:
        return "UNKNOWN"


class NoValue:
    """AWS::NoValue: the property that holds it is left out."""


UNKNOWN = Unknown()
NO_VALUE = NoValue()


def _nothing(*_: Any) -> Any:
    return UNKNOWN


@dataclass(slots=True)
class Scope:
    """What the functions of one template may ask.

    `parameters` holds typed values, `pseudo` those of `AWS::...`. `ref` and `attribute` answer for resources;
    `import_value` for exports. `extended`: the template declares AWS::LanguageExtensions.
    """

    parameters: Mapping[str, Any]
    pseudo: Mapping[str, Any]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    resources: frozenset[str] = frozenset()
    ref: Callable[[str], Any] = _nothing
    attribute: Callable[[str, str], Any] = _nothing
    import_value: Callable[[str], Any] = _nothing
    extended: bool = False
    decided: dict[str, bool] = field(default_factory=dict)
    _deciding: set[str] = field(default_factory=set)

    def condition(self, name: str) -> bool:
        """The value of a named condition, decided once."""
        if name in self.decided:
            return self.decided[name]
        if name not in self.conditions:
            raise TemplateError(
                f"Template error: Unresolved condition dependency {name} in the Conditions block of the template"
            )
        if name in self._deciding:
            raise TemplateError(f"Template error: Found circular condition dependency: {name}")
        self._deciding.add(name)
        try:
            value = decide(self.conditions[name], self, f"condition {name}")
        finally:
            self._deciding.discard(name)
        self.decided[name] = value
        return value


def decide(value: Any, scope: Scope, where: str) -> bool:
    """The boolean of a condition's expression, in which {"Condition": name} stands for another condition."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("Condition"), str):
        return scope.condition(value["Condition"])
    return truth(evaluate(value, scope), where)


def truth(value: Any, where: str) -> bool:
    """A condition's value as a boolean."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise TemplateError(
        f"Template format error: Conditions can only be boolean operations on parameters and other conditions ({where})"
    )


def evaluate(value: Any, scope: Scope) -> Any:
    """`value` with every function replaced by its result, and AWS::NoValue removed."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = FUNCTIONS.get(name)
            if function is not None:
                return function(argument, scope)
        out = {}
        for key, item in value.items():
            if key.startswith("Fn::") and key not in FUNCTIONS:
                raise TemplateError(f"Template error: Encountered unsupported function: {key}")
            result = evaluate(item, scope)
            if result is not NO_VALUE:
                out[key] = result
        return out
    if isinstance(value, list):
        return [result for item in value if (result := evaluate(item, scope)) is not NO_VALUE]
    return value


def _ref(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, str):
        raise TemplateError("Template error: every Ref object must have a single String value.")
    if argument in scope.parameters:
        return scope.parameters[argument]
    if argument == "AWS::NoValue":
        return NO_VALUE
    if argument in scope.pseudo:
        return scope.pseudo[argument]
    if argument in scope.resources:
        return scope.ref(argument)
    raise TemplateError(
        f"Template format error: Unresolved resource dependencies [{argument}] in the Resources block of the template"
    )


def split_attribute(argument: Any) -> tuple[str, Any]:
    """Resource name and attribute of a Fn::GetAtt."""
    if isinstance(argument, str) and "." in argument:
        name, _, attribute = argument.partition(".")
        return name, attribute
    if isinstance(argument, list) and len(argument) >= 2 and all(argument) and isinstance(argument[0], str):
        if len(argument) > 2:
            return argument[0], ".".join(str(item) for item in argument[1:])
        return argument[0], argument[1]
    raise TemplateError(
        "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource"
        " attribute"
    )


def _get_att(argument: Any, scope: Scope) -> Any:
    name, attribute = split_attribute(argument)
    if name not in scope.resources:
        raise TemplateError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    attribute = evaluate(attribute, scope)
    if not isinstance(attribute, str):
        raise TemplateError("Template error: the attribute of Fn::GetAtt must be a string")
    return scope.attribute(name, attribute)


def _join(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
            " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
        )
    delimiter, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if items is UNKNOWN or delimiter is UNKNOWN:
        return UNKNOWN
    if not isinstance(delimiter, str) or not isinstance(items, list):
        raise TemplateError(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
            " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
        )
    if any(item is UNKNOWN for item in items):
        return UNKNOWN
    if any(isinstance(item, dict | list) for item in items):
        raise TemplateError("Template error: every Fn::Join object requires a list of strings to be joined.")
    return _bounded(delimiter.join(text(item) for item in items))


def _bounded(result: str) -> str:
    if len(result) > MAX_TEXT:
        raise TemplateError("Template error: the result of a function is larger than 1 MB")
    return result


def _sub(argument: Any, scope: Scope) -> Any:
    variables: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
        argument, variables = argument
    if not isinstance(argument, str):
        raise TemplateError(
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string"
            " as first argument, and an optional second argument to specify a mapping of values to replace in the string"
        )
    unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match.group(1).strip()
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        value = _sub_value(name, variables, scope)
        if value is UNKNOWN:
            unknown = True
            return ""
        return text(value)

    result = _bounded(SUB_VARIABLE.sub(replace, argument))
    return UNKNOWN if unknown else result


def _sub_value(name: str, variables: Mapping[str, Any], scope: Scope) -> Any:
    if not _SUB_NAME.match(name):
        raise TemplateError(
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores,"
            " periods, and colons"
        )
    if name in variables:
        value = evaluate(variables[name], scope)
    elif name in scope.parameters or "." not in name:
        value = _ref(name, scope)
    else:
        value = _get_att(name, scope)
    if isinstance(value, dict | list | NoValue):
        raise TemplateError(f"Template error: variable {name} in Fn::Sub expression does not resolve to a string")
    return value


def _select(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(
            "Template error: every Fn::Select object requires two parameters, (1) an index (0-based) and (2) a list of"
            " objects or a function that returns a list of objects."
        )
    index, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if index is UNKNOWN or items is UNKNOWN:
        return UNKNOWN
    try:
        at = int(index)
    except (TypeError, ValueError) as error:
        raise TemplateError("Template error: Fn::Select requires an index that is a number") from error
    if not isinstance(items, list):
        raise TemplateError(
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        )
    if not 0 <= at < len(items):
        raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {at}")
    return items[at]


def _split(argument: Any, scope: Scope) -> Any:
    message = (
        "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be"
        " split or a function that returns a string to be split."
    )
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(message)
    delimiter, source = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if delimiter is UNKNOWN or source is UNKNOWN:
        return UNKNOWN
    if not isinstance(delimiter, str) or not delimiter or not isinstance(source, str):
        raise TemplateError(message)
    return source.split(delimiter)


def _if(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
        raise TemplateError("Template error: Fn::If requires a list argument with three elements")
    return evaluate(argument[1] if scope.condition(argument[0]) else argument[2], scope)


def _members(argument: Any, scope: Scope, name: str, least: int, most: int) -> list[bool]:
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        if least == most:
            raise TemplateError(f"Template error: every {name} object requires a list of exactly one string parameter")
        raise TemplateError(
            f"Template error: every {name} object requires a list of at least {least} and at most {most} boolean parameters."
        )
    return [decide(item, scope, name) for item in argument]


def _and(argument: Any, scope: Scope) -> bool:
    return all(_members(argument, scope, "Fn::And", 2, 10))


def _or(argument: Any, scope: Scope) -> bool:
    return any(_members(argument, scope, "Fn::Or", 2, 10))


def _not(argument: Any, scope: Scope) -> bool:
    return not _members(argument, scope, "Fn::Not", 1, 1)[0]


def _equals(argument: Any, scope: Scope) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError("Template error: every Fn::Equals object requires a list of 2 string parameters.")
    left, right = (evaluate(item, scope) for item in argument)
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return bool(left == right)
    return text(left) == text(right)


def _find_in_map(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise TemplateError(
            "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the"
            " attribute to look up."
        )
    default: Any = None
    if len(argument) == 4:
        if not scope.extended or not isinstance(argument[3], dict) or set(argument[3]) != {"DefaultValue"}:
            raise TemplateError(
                "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the"
                " attribute to look up."
            )
        default = argument[3]["DefaultValue"]
    keys = [evaluate(item, scope) for item in argument[:3]]
    if any(key is UNKNOWN for key in keys):
        return UNKNOWN
    found: Any = scope.mappings
    for key in keys:
        found = found.get(text(key)) if isinstance(found, dict) and not isinstance(key, dict | list) else None
    if found is None:
        if default is not None:
            return evaluate(default, scope)
        raise TemplateError(f"Template error: Unable to get mapping for {'::'.join(text(key) for key in keys)}")
    return evaluate(found, scope)


def _base64(argument: Any, scope: Scope) -> Any:
    value = evaluate(argument, scope)
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, dict | list):
        raise TemplateError("Template error: every Fn::Base64 object must have a String-typed value.")
    return base64.b64encode(text(value).encode()).decode()


def _cidr(argument: Any, scope: Scope) -> Any:
    arguments = [evaluate(item, scope) for item in argument] if isinstance(argument, list) else []
    if any(item is UNKNOWN for item in arguments):
        return UNKNOWN
    if len(arguments) not in (2, 3):
        raise TemplateError("Template error: every Fn::Cidr object requires two or three parameters")
    try:
        block, count = ipaddress.ip_network(str(arguments[0])), int(arguments[1])
        bits = int(arguments[2]) if len(arguments) == 3 else 8
        prefix = block.max_prefixlen - bits
        if not 1 <= count <= 256 or prefix < block.prefixlen or prefix > block.max_prefixlen:
            raise ValueError
        subnets = block.subnets(new_prefix=prefix)
        return [str(next(subnets)) for _ in range(count)]
    except (TypeError, ValueError, StopIteration) as error:
        raise TemplateError(f"Template error: Fn::Cidr cannot make the blocks asked for from {arguments[0]}") from error


def _get_azs(argument: Any, scope: Scope) -> Any:
    region = evaluate(argument, scope)
    if region is UNKNOWN:
        return UNKNOWN
    if not isinstance(region, str):
        raise TemplateError("Template error: every Fn::GetAZs object must have a String-typed value.")
    region = region or str(scope.pseudo["AWS::Region"])
    return [region + letter for letter in "abc"]


def _import_value(argument: Any, scope: Scope) -> Any:
    name = evaluate(argument, scope)
    if name is UNKNOWN:
        return UNKNOWN
    if not isinstance(name, str):
        raise TemplateError(
            "Template error: the attribute in Fn::ImportValue must be a string or a function that returns a string"
        )
    return scope.import_value(name)


def _length(argument: Any, scope: Scope) -> Any:
    _need_extensions("Fn::Length", scope)
    value = evaluate(argument, scope)
    if value is UNKNOWN:
        return UNKNOWN
    if not isinstance(value, list):
        raise TemplateError("Template error: Fn::Length requires an array, or a function that returns an array")
    return len(value)


def _to_json_string(argument: Any, scope: Scope) -> Any:
    _need_extensions("Fn::ToJsonString", scope)
    value = evaluate(argument, scope)
    if holds_unknown(value):
        return UNKNOWN
    if not isinstance(value, dict | list):
        raise TemplateError("Template error: Fn::ToJsonString requires an object or an array")
    return json.dumps(value, separators=(",", ":"))


def _need_extensions(name: str, scope: Scope) -> None:
    if not scope.extended:
        raise TemplateError(
            f"Template error: Encountered unsupported function: {name}. It needs the transform AWS::LanguageExtensions"
        )


def _transform(argument: Any, scope: Scope) -> Any:
    raise TemplateError(f"Template error: Fn::Transform {argument!r} is not allowed here")


def holds_unknown(value: Any) -> bool:
    """Is any part of an evaluated value unknown?"""
    if isinstance(value, dict):
        return any(holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(holds_unknown(item) for item in value)
    return value is UNKNOWN


FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Join": _join,
    "Fn::Sub": _sub,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::If": _if,
    "Fn::And": _and,
    "Fn::Or": _or,
    "Fn::Not": _not,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::GetAZs": _get_azs,
    "Fn::ImportValue": _import_value,
    "Fn::Length": _length,
    "Fn::ToJsonString": _to_json_string,
    "Fn::Transform": _transform,
}
