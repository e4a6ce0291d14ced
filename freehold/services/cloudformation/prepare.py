"""From what a caller sent to a checked plan of a stack: nothing is created before all of this has passed."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.resources import ResourceType
from freehold.rules.templates import assertions, extensions, graph, parameters, references
from freehold.rules.templates import document as documents
from freehold.rules.templates import template as templates
from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import UNKNOWN, Scope, evaluate, holds_unknown
from freehold.rules.templates.template import Template
from freehold.services.cloudformation import capabilities, includes, notifying, sam, schema, state
from freehold.services.cloudformation.model import MAX_BODY, Definition
from freehold.services.cloudformation.origin import Origin, fetch_object, ssm_values

MAX_PARAMETER_TEXT = 200_000
MAX_OUTPUT_TEXT = 200_000
CUSTOM = "AWS::CloudFormation::CustomResource"


@dataclass(slots=True)
class Asked:
    """What a caller wants a stack to be, as far as it needs no template to say."""

    text: str
    parameters: dict[str, str] = field(default_factory=dict)
    use_previous: frozenset[str] = frozenset()
    tags: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    notification_arns: list[str] = field(default_factory=list)
    resource_types: list[str] = field(default_factory=list)
    direct: bool = True
    """Not by a change set: transforms need CAPABILITY_AUTO_EXPAND."""


@dataclass(slots=True)
class Prepared:
    """A checked plan: the processed template, its scope before anything exists, and the order of its resources."""

    template: Template
    definition: Definition
    scope: Scope
    graph: dict[str, set[str]]
    """The resources whose condition holds, in order, with what each depends on."""
    original: str = ""
    processed: str = ""


@contextmanager
def refusing() -> Iterator[None]:
    """Templates that are refused become AWS's ValidationError."""
    try:
        yield
    except TemplateError as error:
        raise Fault("ValidationError", error.message) from error


async def text_of(origin: Origin, request: dict[str, Any]) -> str | None:
    """The text of TemplateBody or TemplateURL; None where neither is given."""
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    if body is not None and url is not None:
        raise Fault("ValidationError", "Only one of TemplateBody or TemplateURL may be specified.")
    if body is not None:
        if len(body.encode()) > MAX_BODY:
            raise Fault(
                "ValidationError",
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have"
                f" length less than or equal to {MAX_BODY}",
            )
        return str(body)
    return await fetch_object(origin, url) if url is not None else None


async def parse(text: str) -> dict[str, Any]:
    """The document of a text, parsed off the event loop. Raises Fault."""
    with refusing():
        return await asyncio.to_thread(documents.parse, text)


async def prepare(
    origin: Origin, asked: Asked, stack_name: str, stack_id: str, generation: str, previous: Definition | None
) -> Prepared:
    """Everything that can be checked before a stack is touched. Raises Fault."""
    document = await parse(asked.text)
    await notifying.check(origin, asked.notification_arns, stack_id)
    with refusing():
        templates.check_sections(document)
        declared = templates.load({**document, "Resources": {"None": {"Type": "None"}}, "Outputs": {}}).parameters
        parameters.check_declarations(declared)
        given = parameters.gather(
            declared, asked.parameters, asked.use_previous, previous.parameters if previous else None
        )
        if sum(len(value) for value in given.values.values()) > MAX_PARAMETER_TEXT:
            raise TemplateError(f"The parameters are larger than {MAX_PARAMETER_TEXT} characters together")
        definition = Definition(
            generation,
            parameters=given.values,
            hidden=[name for name, body in declared.items() if parameters.no_echo(body)],
            tags=asked.tags,
            capabilities=asked.capabilities,
            notification_arns=asked.notification_arns,
        )
        await _resolve_ssm(origin, declared, definition)
        pseudo = pseudo_parameters(origin, stack_name, stack_id, definition)
        named = [templates.transform_name(item) for item in templates.transforms_of(document)]
        if asked.direct and (named or "Fn::Transform" in asked.text):
            capabilities.require(["CAPABILITY_AUTO_EXPAND"], asked.capabilities)
        definition.extended = extensions.NAME in named
        expanded = await _transform(origin, document, typed_values(declared, definition), pseudo, definition.extended)
    processed = asked.text if expanded is document else json.dumps(expanded)
    prepared = await load(origin, expanded, definition, stack_name, stack_id)
    prepared.original, prepared.processed = asked.text, processed
    capabilities.check(prepared.template, list(prepared.graph), asked.capabilities)
    if asked.resource_types:
        _check_allowed(prepared, asked.resource_types)
    check_resources(origin, prepared)
    return prepared


async def load(
    origin: Origin, document: dict[str, Any], definition: Definition, stack_name: str, stack_id: str
) -> Prepared:
    """The plan of a processed document: conditions decided, references checked, resources ordered. Raises Fault."""
    with refusing():
        template = templates.load({key: item for key, item in document.items() if key != "Transform"})
        references.check(template)
        scope = Scope(
            parameters=typed_values(template.parameters, definition),
            pseudo=pseudo_parameters(origin, stack_name, stack_id, definition),
            mappings=template.mappings,
            conditions=template.conditions,
            resources=frozenset(template.resources),
            extended=definition.extended,
        )
        for name in template.conditions:
            scope.condition(name)
        assertions.check(template.rules, scope)
        live = frozenset(
            name
            for name, body in template.resources.items()
            if body.condition is None or scope.condition(body.condition)
        )
        references.check_existing(template, scope, live)
        needs = {name: references.dependencies(template, name, scope.condition) & live for name in template.resources}
        ordered = graph.order({name: needs[name] for name in template.resources if name in live})
        exported = await exports(origin, template)
        scope.import_value = lambda name: _imported(exported, name)
        definition.imports = sorted(references.imports(template, scope, live))
        definition.description = template.description
    return Prepared(template, definition, scope, {name: needs[name] for name in ordered})


async def exports(origin: Origin, template: Template) -> dict[str, str]:
    """Every export of the account and region, where the template imports any."""
    if "Fn::ImportValue" not in json.dumps(template.document):
        return {}
    found = await origin.platform.store.read_many(
        lambda tx: [state.export(tx, origin.keys, item.name) for item in state.exports(tx, origin.keys, None, 1_000)]
    )
    return {item.name: item.value for item in found if item}


def _imported(exported: dict[str, str], name: str) -> str:
    if name not in exported:
        raise TemplateError(f"No export named {name} found.")
    return exported[name]


def typed_values(declared: dict[str, dict[str, Any]], definition: Definition) -> dict[str, Any]:
    """What Ref of each parameter gives."""
    return {
        name: parameters.typed(body, definition.resolved.get(name, definition.parameters[name]))
        for name, body in declared.items()
        if name in definition.parameters
    }


def pseudo_parameters(origin: Origin, stack_name: str, stack_id: str, definition: Definition) -> dict[str, Any]:
    """The values of `AWS::...`."""
    china = origin.region.startswith("cn-")
    return {
        "AWS::AccountId": origin.account,
        "AWS::NotificationARNs": list(definition.notification_arns),
        "AWS::Partition": "aws-cn" if china else "aws",
        "AWS::Region": origin.region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com.cn" if china else "amazonaws.com",
    }


async def _resolve_ssm(origin: Origin, declared: dict[str, dict[str, Any]], definition: Definition) -> None:
    values = definition.parameters
    asked = {name: values[name] for name, body in declared.items() if parameters.ssm_kind(body)}
    plain = [values[name] for name, body in declared.items() if body["Type"] == "AWS::SSM::Parameter::Name"]
    if not asked and not plain:
        return
    found = await ssm_values(origin, [*asked.values(), *plain])
    definition.resolved = {name: found[ssm_name] for name, ssm_name in asked.items()}


async def _transform(
    origin: Origin, document: dict[str, Any], typed: dict[str, Any], pseudo: dict[str, Any], extended: bool
) -> dict[str, Any]:
    """The document after its transforms, applied in the order in which it declares them."""
    scope = Scope(
        parameters=typed,
        pseudo=pseudo,
        mappings=document.get("Mappings", {}),
        conditions=document.get("Conditions", {}),
        extended=extended,
    )
    if "Fn::Transform" in json.dumps(document):
        document = await includes.include(origin, document, scope)
    for item in templates.transforms_of(document):
        name = templates.transform_name(item)
        if name == extensions.NAME:
            document = extensions.expand(document, scope)
        elif name == sam.NAME:
            cache: OrderedDict[str, str] = origin.platform.own.setdefault("cloudformation.sam", OrderedDict())
            # Macros get parameters of list types as lists.
            document = await sam.transform(cache, document, typed, origin.region)
        elif name == includes.NAME and isinstance(item, dict):
            document = await includes.include_top(origin, document, item, scope)
        else:
            raise not_implemented(f"the transform {name}")
    return document


def resource_type(origin: Origin, name: str) -> ResourceType | None:
    """The implementation of a type; every `Custom::...` is a custom resource."""
    return origin.platform.resource_types.get(CUSTOM if name.startswith("Custom::") else name)


def check_resources(origin: Origin, prepared: Prepared) -> None:
    """Refuse unknown types, properties, values and attributes of what will exist, by name."""
    template, scope = prepared.template, prepared.scope
    # A type that is only there under a condition which does not hold does no harm.
    types = {template.resources[name].type for name in prepared.graph}
    missing = {name for name in types if resource_type(origin, name) is None}
    if missing:
        raise Fault(
            "ValidationError",
            f"Template format error: Unrecognized resource types: [{', '.join(sorted(missing))}]. Freehold does not"
            " implement them; see docs/differences.md",
        )
    with refusing():
        for logical_id in prepared.graph:
            body = template.resources[logical_id]
            kind = resource_type(origin, body.type)
            assert kind is not None
            properties = evaluate(body.properties, scope)
            converted = schema.check(kind, properties, logical_id)
            if kind.check is not None:
                kind.check(converted)
            _check_policies(body, scope)
            _check_dynamic(origin, properties)
        for root in [
            *(template.resources[name].properties for name in prepared.graph),
            *(
                body
                for body in template.outputs.values()
                if "Condition" not in body or scope.condition(body["Condition"])
            ),
        ]:
            _check_attributes(origin, template, root, scope)


def _check_attributes(origin: Origin, template: Template, root: Any, scope: Scope) -> None:
    for kind, target, attribute in references.walk(root, scope.condition):
        if kind != "Fn::GetAtt" or not isinstance(attribute, str):
            continue
        target_type = resource_type(origin, template.resources[target].type)
        if target_type is None or attribute in target_type.attributes or "*" in target_type.attributes:
            continue
        if any(known.endswith(".*") and attribute.startswith(known[:-1]) for known in target_type.attributes):
            continue
        raise TemplateError(
            f"Template error: resource {target} does not support attribute type {attribute} in Fn::GetAtt"
        )


def policy(value: Any, scope: Scope, default: str = "Delete") -> str:
    """A deletion policy, in which the language extensions allow functions."""
    return default if value is None else str(evaluate(value, scope))


def _check_policies(body: templates.Resource, scope: Scope) -> None:
    for attribute, value in (
        ("DeletionPolicy", body.deletion_policy),
        ("UpdateReplacePolicy", body.update_replace_policy),
    ):
        if isinstance(value, dict) and not scope.extended:
            raise TemplateError(f"Template format error: Every {attribute} member must be a string.")
        chosen = policy(value, scope)
        if chosen not in templates.DELETION_POLICIES:
            raise TemplateError(f"Template format error: Unrecognized {attribute} {chosen}.")
        if chosen == "Snapshot":
            raise TemplateError(
                f"Template error: {attribute} Snapshot is not supported for resource {body.logical_id} of type {body.type}"
            )


def _check_dynamic(origin: Origin, properties: dict[str, Any]) -> None:
    for service, operation, mark in (("secretsmanager", "GetSecretValue", "{{resolve:secretsmanager:"),):
        if _holds_text(properties, mark) and not origin.platform.calls.implements(service, operation):
            raise not_implemented(f"dynamic references to {service}")


def _holds_text(value: Any, mark: str) -> bool:
    if isinstance(value, dict):
        return any(_holds_text(item, mark) for item in value.values())
    if isinstance(value, list):
        return any(_holds_text(item, mark) for item in value)
    return isinstance(value, str) and mark in value


def _check_allowed(prepared: Prepared, allowed: list[str]) -> None:
    for logical_id in prepared.graph:
        kind = prepared.template.resources[logical_id].type
        if not any(kind == item or (item.endswith("*") and kind.startswith(item[:-1])) for item in allowed):
            raise Fault("ValidationError", f"Resource type {kind} is not allowed by parameter ResourceTypes {allowed}")


def _export_name(key: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        raise TemplateError(
            f"Template format error: Output {key} is malformed. The Name of its Export must be a String."
        )
    return value if value is UNKNOWN else parameters.text(value)


def evaluate_outputs(prepared: Prepared) -> dict[str, tuple[Any, str | None, Any]]:
    """Outputs whose condition holds: (value, description, export name); parts may be UNKNOWN. Raises TemplateError."""
    scope = prepared.scope
    found: dict[str, tuple[Any, str | None, Any]] = {}
    for key, body in prepared.template.outputs.items():
        if body.get("Condition") is not None and not scope.condition(body["Condition"]):
            continue
        value = evaluate(body["Value"], scope)
        if value is not UNKNOWN and holds_unknown(value):
            value = UNKNOWN
        if isinstance(value, dict | list):
            raise TemplateError(
                f"Template format error: Output {key} is malformed. The Value field of every Outputs member must evaluate"
                " to a String."
            )
        export = _export_name(key, evaluate(body["Export"]["Name"], scope)) if body.get("Export") else None
        if export is not None and export is not UNKNOWN and any(export == other for _, _, other in found.values()):
            raise TemplateError(f"Template format error: Output {key} is malformed. Export {export} is declared twice.")
        found[key] = (value if value is UNKNOWN else parameters.text(value), body.get("Description"), export)
    if sum(len(value) for value, _, _ in found.values() if isinstance(value, str)) > MAX_OUTPUT_TEXT:
        raise TemplateError(f"The outputs are larger than {MAX_OUTPUT_TEXT} characters together")
    return found
