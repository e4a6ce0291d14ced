"""A template's sections, checked for shape: what CloudFormation refuses before it looks at any value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from freehold.rules.templates.document import TemplateError

SECTIONS = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Rules",
        "Mappings",
        "Conditions",
        "Transform",
        "Resources",
        "Outputs",
        "Hooks",
        "Globals",
    ]
)
RESOURCE_ATTRIBUTES = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "Metadata",
        "CreationPolicy",
        "UpdatePolicy",
    ]
)
DELETION_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")
MAX_RESOURCES = 500
MAX_PARAMETERS = 200
MAX_OUTPUTS = 200
MAX_MAPPINGS = 200
MAX_DESCRIPTION = 1024

_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+\Z")


@dataclass(slots=True)
class Resource:
    """One entry of the Resources section, unevaluated."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    depends_on: list[str]
    condition: str | None
    deletion_policy: Any
    update_replace_policy: Any
    metadata: Any


@dataclass(slots=True)
class Template:
    """A checked template. Values are unevaluated; transforms are still to be applied where `transforms` names any."""

    document: dict[str, Any]
    description: str | None
    parameters: dict[str, dict[str, Any]]
    mappings: dict[str, Any]
    conditions: dict[str, Any]
    rules: dict[str, Any]
    resources: dict[str, Resource]
    outputs: dict[str, dict[str, Any]]
    transforms: list[Any] = field(default_factory=list)
    metadata: Any = None


def transforms_of(document: dict[str, Any]) -> list[Any]:
    """The declared transforms, in order: names, or {Name, Parameters} objects."""
    declared = document.get("Transform", [])
    return list(declared) if isinstance(declared, list) else [declared]


def transform_name(transform: Any) -> str:
    """The name of one declared transform."""
    if isinstance(transform, str):
        return transform
    if isinstance(transform, dict) and isinstance(transform.get("Name"), str):
        return str(transform["Name"])
    raise TemplateError("Template format error: Transform must be a string, or an object with a Name")


def check_sections(document: dict[str, Any]) -> None:
    """Refuse unknown top-level sections and sections of the wrong shape."""
    unknown = sorted(set(document) - SECTIONS)
    if unknown:
        raise TemplateError(f"Invalid template property or properties [{', '.join(unknown)}]")
    version = document.get("AWSTemplateFormatVersion", "2010-09-09")
    if str(version) != "2010-09-09":
        raise TemplateError(
            "Template format error: Template format version not supported. Use AWSTemplateFormatVersion 2010-09-09."
        )
    for name in ("Parameters", "Mappings", "Conditions", "Rules", "Resources", "Outputs"):
        if name in document and not isinstance(document[name], dict):
            raise TemplateError(f"Template format error: {name} must be an object.")
    if not document.get("Resources"):
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    description = document.get("Description")
    if description is not None and not isinstance(description, str):
        raise TemplateError("Template format error: Description must be a string.")
    if description and len(description.encode()) > MAX_DESCRIPTION:
        raise TemplateError("Template format error: 'Description' length is greater than 1024.")


def load(document: dict[str, Any]) -> Template:
    """The Template of a document. Raises TemplateError."""
    check_sections(document)
    if "Hooks" in document:
        raise TemplateError("Template format error: Freehold does not implement the Hooks section")
    template = Template(
        document=document,
        description=document.get("Description"),
        parameters=_parameters(document.get("Parameters", {})),
        mappings=_mappings(document.get("Mappings", {})),
        conditions=document.get("Conditions", {}),
        rules=document.get("Rules", {}),
        resources={name: _resource(name, body) for name, body in document["Resources"].items()},
        outputs=_outputs(document.get("Outputs", {})),
        transforms=transforms_of(document),
        metadata=document.get("Metadata"),
    )
    for what, count, most in (
        ("resources", len(template.resources), MAX_RESOURCES),
        ("parameters", len(template.parameters), MAX_PARAMETERS),
        ("outputs", len(template.outputs), MAX_OUTPUTS),
        ("mappings", len(template.mappings), MAX_MAPPINGS),
    ):
        if count > most:
            raise TemplateError(
                f"Template format error: Number of {what}, {count}, is greater than maximum allowed, {most}"
            )
    return template


def _parameters(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for name, body in section.items():
        if not _ALPHANUMERIC.match(name):
            raise TemplateError(f"Template format error: Parameter name {name} is non alphanumeric.")
        if not isinstance(body, dict):
            raise TemplateError("Template format error: Every Parameters member must be an object.")
        if "Type" not in body:
            raise TemplateError("Template format error: Every Parameters object must contain a Type member.")
    return section


def _mappings(section: dict[str, Any]) -> dict[str, Any]:
    for name, body in section.items():
        if not isinstance(body, dict):
            raise TemplateError("Template format error: Every Mappings member must be a map")
        for key, values in body.items():
            if not isinstance(values, dict) and name != "Fn::Transform":
                raise TemplateError(
                    f"Template format error: Every Mappings attribute must be a map, {name}/{key} is not."
                )
    return section


def _resource(name: str, body: Any) -> Resource:
    if not _ALPHANUMERIC.match(name):
        raise TemplateError(f"Template format error: Resource name {name} is non alphanumeric.")
    if not isinstance(body, dict):
        raise TemplateError("Template format error: Any Resources member must be an object.")
    if not isinstance(body.get("Type"), str):
        raise TemplateError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    for attribute in body:
        if attribute not in RESOURCE_ATTRIBUTES:
            raise TemplateError(f"Invalid template resource property '{attribute}'")
    for attribute in ("CreationPolicy", "UpdatePolicy"):
        if attribute in body:
            raise TemplateError(
                f"Template format error: Freehold does not implement the {attribute} attribute (logical id {name})"
            )
    properties = body.get("Properties", {})
    if not isinstance(properties, dict):
        raise TemplateError(f"Template format error: [/Resources/{name}/Properties] Properties must be an object.")
    depends_on = body.get("DependsOn", [])
    depends_on = [depends_on] if isinstance(depends_on, str) else depends_on
    if not isinstance(depends_on, list) or not all(isinstance(item, str) for item in depends_on):
        raise TemplateError("Template format error: DependsOn must be a string or list of strings.")
    condition = body.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise TemplateError("Template format error: Every Condition member must be a string.")
    for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
        _check_policy(attribute, body.get(attribute))
    return Resource(
        name,
        body["Type"],
        properties,
        list(depends_on),
        condition,
        body.get("DeletionPolicy"),
        body.get("UpdateReplacePolicy"),
        body.get("Metadata"),
    )


def _check_policy(attribute: str, policy: Any) -> None:
    """Functions are left to evaluation (the language extensions allow them)."""
    if policy is None or isinstance(policy, dict):
        return
    allowed = DELETION_POLICIES if attribute == "DeletionPolicy" else DELETION_POLICIES[:3]
    if policy not in allowed:
        raise TemplateError(f"Template format error: Unrecognized {attribute} {policy}.")


def _outputs(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for name, body in section.items():
        if not _ALPHANUMERIC.match(name):
            raise TemplateError(f"Template format error: Output name {name} is non alphanumeric.")
        if not isinstance(body, dict):
            raise TemplateError("Template format error: Every Outputs member must be an object.")
        if "Value" not in body:
            raise TemplateError("Template format error: Every Outputs member must contain a Value object")
        unknown = sorted(set(body) - {"Value", "Description", "Export", "Condition"})
        if unknown:
            raise TemplateError(f"Template format error: Invalid output property '{unknown[0]}' of output {name}")
        export = body.get("Export")
        if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
            raise TemplateError(f"Template format error: Output {name} is malformed. Export must contain a Name.")
    return section
