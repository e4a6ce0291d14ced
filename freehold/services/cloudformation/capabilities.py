"""What a caller must acknowledge before a template may act."""

from __future__ import annotations

from collections.abc import Iterable

from freehold.kit.faults import Fault
from freehold.rules.templates.template import Template

_NAME_PROPERTY = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_IAM_TYPES = frozenset(_NAME_PROPERTY) | {"AWS::IAM::AccessKey", "AWS::IAM::Policy", "AWS::IAM::UserToGroupAddition"}
_SERVERLESS_IAM = frozenset({"AWS::Serverless::Function", "AWS::Serverless::StateMachine"})


def needed(template: Template, logical_ids: Iterable[str]) -> tuple[list[str], list[str]]:
    """(capabilities, resource types which need them) of some resources, transforms apart."""
    types: list[str] = []
    named = False
    for logical_id in logical_ids:
        body = template.resources[logical_id]
        serverless = body.type in _SERVERLESS_IAM and "Role" not in body.properties
        if body.type in _IAM_TYPES or serverless:
            types.append(body.type)
            named = named or _NAME_PROPERTY.get(body.type, "") in body.properties
    if not types:
        return [], []
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], list(dict.fromkeys(types))


def check(template: Template, logical_ids: Iterable[str], acknowledged: list[str]) -> None:
    """Refuse IAM resources that were not acknowledged."""
    require(needed(template, logical_ids)[0], acknowledged)


def require(wanted: list[str], acknowledged: list[str]) -> None:
    """Raise InsufficientCapabilitiesException unless all of `wanted` are acknowledged."""
    held = set(acknowledged)
    if "CAPABILITY_NAMED_IAM" in held:
        held.add("CAPABILITY_IAM")
    missing = [item for item in wanted if item not in held]
    if missing:
        raise Fault("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")
