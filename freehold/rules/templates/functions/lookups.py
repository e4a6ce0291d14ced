"""Functions that look something up: parameters, resources, mappings, exports."""

from __future__ import annotations

from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions.evaluation import Scope, evaluate
from freehold.rules.templates.functions.values import NO_VALUE, UNKNOWN
from freehold.rules.templates.parameters import text


def ref(argument: Any, scope: Scope) -> Any:
    """Ref"""
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


def get_att(argument: Any, scope: Scope) -> Any:
    """Fn::GetAtt"""
    name, attribute = split_attribute(argument)
    if name not in scope.resources:
        raise TemplateError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    attribute = evaluate(attribute, scope)
    if not isinstance(attribute, str):
        raise TemplateError("Template error: the attribute of Fn::GetAtt must be a string")
    return scope.attribute(name, attribute)


def find_in_map(argument: Any, scope: Scope) -> Any:
    """Fn::FindInMap"""
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


def import_value(argument: Any, scope: Scope) -> Any:
    """Fn::ImportValue"""
    name = evaluate(argument, scope)
    if name is UNKNOWN:
        return UNKNOWN
    if not isinstance(name, str):
        raise TemplateError(
            "Template error: the attribute in Fn::ImportValue must be a string or a function that returns a string"
        )
    return scope.import_value(name)
