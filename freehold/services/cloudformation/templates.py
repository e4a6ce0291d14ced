"""Handlers about templates: GetTemplate, GetTemplateSummary, ValidateTemplate."""

from __future__ import annotations

import json
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.rules.templates import extensions, parameters, references
from freehold.rules.templates import template as templates
from freehold.rules.templates.document import TemplateError
from freehold.services.cloudformation import capabilities, origin, sam, state
from freehold.services.cloudformation.change_sets import require_change_set
from freehold.services.cloudformation.model import Stack
from freehold.services.cloudformation.origin import Origin
from freehold.services.cloudformation.prepare import parse, refusing, resource_type, text_of
from freehold.services.cloudformation.stacks import require

Request = dict[str, Any]


async def get_template(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    if "ChangeSetName" in request:
        found = await require_change_set(asker, request["ChangeSetName"], request.get("StackName"))
        uid, generation = found.uid, found.definition.generation
    else:
        if "StackName" not in request:
            raise Fault("ValidationError", "StackName is required if ChangeSetName is not specified.")
        stack = await require(asker, request["StackName"], "Stack with id {} does not exist")
        uid, generation = stack.uid, stack.definition.generation
    stage = request.get("TemplateStage", "Processed").lower()
    text = await call.platform.store.read(lambda tx: state.template(tx, asker.keys, uid, generation, stage))
    if text is None:
        raise Fault("ValidationError", f"Stack with id {request.get('StackName')} has no template")
    return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}


async def get_template_summary(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    if "StackSetName" in request:
        raise not_implemented("stack sets")
    text = await _summarized_text(asker, request)
    document = await parse(text)
    named, template = _load(document)
    types = sorted({body.type for body in template.resources.values()})
    wanted, reasons = _capabilities(template, named)
    unknown = [
        name for name in types if resource_type(asker, name) is None and not name.startswith("AWS::Serverless::")
    ]
    lenient = (request.get("TemplateSummaryConfig") or {}).get("TreatUnrecognizedResourceTypesAsWarnings")
    if unknown and not lenient:
        raise Fault(
            "ValidationError",
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]. Freehold does not implement"
            " them; see docs/differences.md",
        )
    shown: Request = {
        "Parameters": [_declaration(name, body) for name, body in template.parameters.items()],
        "Description": template.description,
        "Capabilities": wanted or None,
        "CapabilitiesReason": reasons,
        "ResourceTypes": types,
        "Version": document.get("AWSTemplateFormatVersion"),
        "Metadata": json.dumps(template.metadata) if template.metadata is not None else None,
        "DeclaredTransforms": named or None,
        "ResourceIdentifierSummaries": [],
        "Warnings": {"UnrecognizedResourceTypes": unknown} if unknown else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


async def _summarized_text(asker: Origin, request: Request) -> str:
    text = await text_of(asker, request)
    if "StackName" in request:
        if text is not None:
            raise Fault("ValidationError", "Only one of StackName, TemplateBody or TemplateURL may be specified.")
        stack: Stack = await require(asker, request["StackName"], "Stack with id {} does not exist")
        text = await asker.platform.store.read(
            lambda tx: state.template(tx, asker.keys, stack.uid, stack.definition.generation, "original")
        )
    if text is None:
        raise Fault("ValidationError", "Either Template URL or Template Body must be specified.")
    return text


def _load(document: Request) -> tuple[list[str], templates.Template]:
    """Declared transforms, and the template; loops of the language extensions are left out of its resources."""
    with refusing():
        templates.check_sections(document)
        named = [templates.transform_name(item) for item in templates.transforms_of(document)]
        if extensions.NAME in named:
            plain = {key: body for key, body in document["Resources"].items() if not key.startswith("Fn::ForEach")}
            document = {
                **document,
                "Resources": plain or {"None": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
            }
            document["Outputs"] = {}
        if sam.NAME in named:
            document = sam.plain(document)
        template = templates.load(document)
        parameters.check_declarations(template.parameters)
        return named, template


def _capabilities(template: templates.Template, named: list[str]) -> tuple[list[str], str | None]:
    wanted, types = capabilities.needed(template, template.resources)
    reason = f"The following resource(s) require capabilities: [{', '.join(types)}]" if types else None
    if named:
        wanted = [*wanted, "CAPABILITY_AUTO_EXPAND"]
        reason = reason or f"The following transform(s) require capabilities: [{', '.join(named)}]"
    return wanted, reason


def _declaration(name: str, body: Request) -> Request:
    shown: Request = {
        "ParameterKey": name,
        "DefaultValue": _default(body),
        "ParameterType": body["Type"],
        "NoEcho": parameters.no_echo(body),
        "Description": body.get("Description"),
        "ParameterConstraints": {"AllowedValues": [parameters.text(item) for item in body["AllowedValues"]]}
        if "AllowedValues" in body
        else {},
    }
    return {key: value for key, value in shown.items() if value is not None}


def _default(body: Request) -> str | None:
    default = body.get("Default")
    if isinstance(default, list):
        return ",".join(parameters.text(item) for item in default)
    return None if default is None else parameters.text(default)


async def validate_template(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    if "TemplateBody" in request:
        request = {key: value for key, value in request.items() if key != "TemplateURL"}
    text = await text_of(asker, request)
    if text is None:
        raise Fault("ValidationError", "Either Template URL or Template Body must be specified.")
    named, template = _load(await parse(text))
    if sam.NAME not in named and extensions.NAME not in named and "Fn::Transform" not in text:
        with refusing():
            references.check(template)
            _check_types(asker, template)
    wanted, reason = _capabilities(template, named)
    shown: Request = {
        "Parameters": [
            {key: value for key, value in _declaration(name, body).items() if key in _VALIDATED}
            for name, body in template.parameters.items()
        ],
        "Description": template.description,
        "Capabilities": wanted or None,
        "CapabilitiesReason": reason,
        "DeclaredTransforms": named or None,
    }
    return {key: value for key, value in shown.items() if value is not None}


_VALIDATED = ("ParameterKey", "DefaultValue", "NoEcho", "Description")


def _check_types(asker: Origin, template: templates.Template) -> None:
    unknown = sorted({body.type for body in template.resources.values() if resource_type(asker, body.type) is None})
    if unknown:
        raise TemplateError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]. Freehold does not implement"
            " them; see docs/differences.md"
        )
