"""What an expression refers to, and the checks that every reference leads somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import SUB_VARIABLE, Scope, evaluate, split_attribute
from freehold.rules.templates.template import Template

PSEUDO = frozenset(
    [
        "AWS::AccountId",
        "AWS::NotificationARNs",
        "AWS::NoValue",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    ]
)

Decide = Callable[[str], bool]


def walk(value: Any, decide: Decide | None) -> Iterator[tuple[str, str, Any]]:
    """Every (function, name, attribute) that refers to something: Ref, Fn::GetAtt, Fn::If's condition.

    With `decide`, only the branch of a Fn::If that will be taken is walked, as CloudFormation does when it orders
    resources. Variables of Fn::Sub come out as Ref or Fn::GetAtt.
    """
    if isinstance(value, list):
        for item in value:
            yield from walk(item, decide)
        return
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Ref" and isinstance(argument, str):
            yield "Ref", argument, None
            return
        if name == "Fn::GetAtt":
            target, attribute = split_attribute(argument)
            yield "Fn::GetAtt", target, attribute
            yield from walk(attribute, decide)
            return
        if name == "Fn::Sub":
            yield from _walk_sub(argument, decide)
            return
        if name == "Fn::If" and isinstance(argument, list) and len(argument) == 3 and isinstance(argument[0], str):
            yield "Condition", argument[0], None
            branches = argument[1:] if decide is None else [argument[1] if decide(argument[0]) else argument[2]]
            yield from walk(branches, decide)
            return
    for item in value.values():
        yield from walk(item, decide)


def _walk_sub(argument: Any, decide: Decide | None) -> Iterator[tuple[str, str, Any]]:
    variables: dict[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
        argument, variables = argument
        yield from walk(variables, decide)
    if not isinstance(argument, str):
        return
    for match in SUB_VARIABLE.finditer(argument):
        name = match.group(1).strip()
        if name.startswith("!") or name in variables:
            continue
        if "." in name:
            target, _, attribute = name.partition(".")
            yield "Fn::GetAtt", target, attribute
        else:
            yield "Ref", name, None


def dependencies(template: Template, logical_id: str, decide: Decide) -> set[str]:
    """The resources which must exist before this one."""
    resource = template.resources[logical_id]
    found = {
        target
        for kind, target, _ in walk(resource.properties, decide)
        if kind != "Condition" and target in template.resources
    }
    # DependsOn on a resource whose condition is false is allowed and means nothing.
    found.update(
        name
        for name in resource.depends_on
        if (condition := template.resources[name].condition) is None or decide(condition)
    )
    return found


def check(template: Template) -> None:
    """Refuse references that lead nowhere, in every branch. Raises TemplateError with AWS's texts."""
    for resource in template.resources.values():
        if resource.condition is not None and resource.condition not in template.conditions:
            raise TemplateError(
                f"Template format error: Unresolved condition dependency {resource.condition} in the Resources block of"
                " the template"
            )
        missing = [name for name in resource.depends_on if name not in template.resources]
        if missing:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in the Resources block"
                " of the template"
            )
        _check_value(template, resource.properties, "Resources")
        _check_value(template, resource.metadata, "Resources")
    for body in template.outputs.values():
        condition = body.get("Condition")
        if condition is not None and (not isinstance(condition, str) or condition not in template.conditions):
            raise TemplateError(
                f"Template format error: Unresolved condition dependency {condition} in the Outputs block of the template"
            )
        _check_value(template, [body["Value"], body.get("Export")], "Outputs")
    _check_conditions(template)


def _check_value(template: Template, value: Any, block: str) -> None:
    unresolved = []
    for kind, target, _ in walk(value, None):
        if kind == "Condition":
            if target not in template.conditions:
                raise TemplateError(
                    f"Template error: Unresolved condition dependency {target} in the {block} block of the template"
                )
        elif kind == "Fn::GetAtt":
            if target not in template.resources:
                raise TemplateError(f"Template error: instance of Fn::GetAtt references undefined resource {target}")
        elif target not in template.resources and target not in template.parameters and target not in PSEUDO:
            unresolved.append(target)
    if unresolved:
        names = ", ".join(dict.fromkeys(unresolved))
        raise TemplateError(
            f"Template format error: Unresolved resource dependencies [{names}] in the {block} block of the template"
        )


def _check_conditions(template: Template) -> None:
    for value in template.conditions.values():
        for kind, target, _ in walk(value, None):
            if kind == "Fn::GetAtt" or (kind == "Ref" and target not in template.parameters and target not in PSEUDO):
                raise TemplateError(
                    f"Template format error: Unresolved dependencies [{target}]. Cannot reference resources in the"
                    " Conditions block of the template"
                )


def check_existing(template: Template, scope: Scope, existing: frozenset[str]) -> None:
    """Refuse references to resources whose condition is false, in the branches that will be taken."""
    for logical_id in template.resources:
        if logical_id in existing:
            _refuse_absent(
                template, existing, walk(template.resources[logical_id].properties, scope.condition), "Resources"
            )
    for body in template.outputs.values():
        if body.get("Condition") is None or scope.condition(body["Condition"]):
            _refuse_absent(template, existing, walk([body["Value"], body.get("Export")], scope.condition), "Outputs")


def _refuse_absent(
    template: Template, existing: frozenset[str], found: Iterator[tuple[str, str, Any]], block: str
) -> None:
    for kind, target, _ in found:
        if kind != "Condition" and target in template.resources and target not in existing:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{target}] in the {block} block of the template"
            )


def imports(template: Template, scope: Scope, existing: frozenset[str]) -> set[str]:
    """Names of the exports that Fn::ImportValue asks for, as far as they are known before anything is created."""
    names: set[str] = set()
    roots: list[Any] = [template.resources[name].properties for name in sorted(existing)]
    roots += [
        body
        for body in template.outputs.values()
        if body.get("Condition") is None or scope.condition(body["Condition"])
    ]
    for argument in _import_arguments(roots, scope.condition):
        name = evaluate(argument, scope)
        if isinstance(name, str):
            names.add(name)
    return names


def _import_arguments(value: Any, decide: Decide) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _import_arguments(item, decide)
    elif isinstance(value, dict):
        if len(value) == 1 and "Fn::ImportValue" in value:
            yield value["Fn::ImportValue"]
        elif len(value) == 1 and "Fn::If" in value and isinstance(value["Fn::If"], list) and len(value["Fn::If"]) == 3:
            condition, yes, no = value["Fn::If"]
            yield from _import_arguments(yes if decide(str(condition)) else no, decide)
        else:
            for item in value.values():
                yield from _import_arguments(item, decide)
