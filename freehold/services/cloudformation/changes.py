"""What an update would do, worked out before it is done: for change sets, and to say that there is nothing to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from freehold.rules.templates.functions import UNKNOWN, Scope, evaluate, holds_unknown
from freehold.rules.templates.parameters import text
from freehold.services.cloudformation import schema
from freehold.services.cloudformation.model import STACK_TYPE, Output, Resource, State
from freehold.services.cloudformation.origin import Origin
from freehold.services.cloudformation.prepare import Prepared, evaluate_outputs, policy, refusing, resource_type
from freehold.services.cloudformation.teardown import GONE

Change = dict[str, Any]
KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
_VALUES = ("Path", "BeforeValue", "AfterValue", "AttributeChangeType")


class _Foreseen:
    """Resources as an update will leave them, as far as that can be known."""

    def __init__(self, rows: Mapping[str, Resource]) -> None:
        self._rows = rows
        self.renewed: set[str] = set()
        """Created or replaced: nothing of them is known."""

    def ref(self, logical_id: str) -> Any:
        row = self._rows.get(logical_id)
        if row is None or row.current is None or logical_id in self.renewed:
            return UNKNOWN
        return row.current.physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        row = self._rows.get(logical_id)
        if row is None or row.current is None or logical_id in self.renewed:
            return UNKNOWN
        return row.current.attributes.get(name, UNKNOWN)


def foresee(origin: Origin, prepared: Prepared, rows: Mapping[str, Resource]) -> list[Change]:
    """The ResourceChange structures of an update (or of a create, without rows)."""
    live = {name: row for name, row in rows.items() if row.current is not None and row.status not in GONE}
    foreseen = _Foreseen(live)
    base = prepared.scope
    scope = replace(base, ref=foreseen.ref, attribute=foreseen.attribute)
    hidden = {name: "****" for name in prepared.definition.hidden if name in base.parameters}
    shown = replace(scope, parameters={**base.parameters, **hidden}) if hidden else scope
    changes: list[Change] = []
    with refusing():
        for logical_id in prepared.graph:
            row = live.get(logical_id)
            change = _change(origin, prepared, scope, row, logical_id, foreseen)
            if change is not None:
                after = evaluate(prepared.template.resources[logical_id].properties, shown)
                changes.append(_with_values(change, row.current if row else None, after))
    changes += [_removal(row) for name, row in live.items() if name not in prepared.graph]
    prepared.scope = scope
    return changes


def _with_values(change: Change, before: State | None, after: Any) -> Change:
    """The change with property values before and after, which DescribeChangeSet shows where it is asked to."""
    known = _known(after)
    change["AfterContext"] = json.dumps({"Properties": known})
    if before is None:
        return change
    held = json.loads(before.shown) if before.shown else before.properties
    change["BeforeContext"] = json.dumps({"Properties": held})
    for detail in change["Details"]:
        target = detail["Target"]
        if target["Attribute"] != "Properties":
            continue
        path = target["Path"].removeprefix("/Properties/").split("/")
        old, new = _at(held, path), _at(known, path)
        target["AttributeChangeType"] = "Add" if old is None else "Remove" if new is None else "Modify"
        target |= {"BeforeValue": _text(old)} if old is not None else {}
        target |= {"AfterValue": _text(new)} if new is not None else {}
    return change


def _known(value: Any) -> Any:
    """A value with AWS's mark where it will only be known when the change set has run."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    return KNOWN_AFTER_APPLY if value is UNKNOWN else value


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else text(value)


def without_values(change: Change) -> Change:
    """The change as DescribeChangeSet shows it by default."""
    plain = {key: item for key, item in change.items() if key not in ("BeforeContext", "AfterContext")}
    plain["Details"] = [
        {**detail, "Target": {key: item for key, item in detail["Target"].items() if key not in _VALUES}}
        for detail in change["Details"]
    ]
    return plain


def _change(
    origin: Origin, prepared: Prepared, scope: Scope, row: Resource | None, logical_id: str, foreseen: _Foreseen
) -> Change | None:
    body = prepared.template.resources[logical_id]
    if row is None or row.current is None:
        foreseen.renewed.add(logical_id)
        return {"Action": "Add", "LogicalResourceId": logical_id, "ResourceType": body.type, "Scope": [], "Details": []}
    kind = resource_type(origin, body.type)
    assert kind is not None
    properties = schema.check(kind, evaluate(body.properties, scope), logical_id)
    paths = schema.changed_paths(row.current.properties, properties)
    details = [_detail(path, properties, schema.needs_replacement(kind, {path})) for path in sorted(paths)]
    scopes = ["Properties"] if paths else []
    if row.current.tags != prepared.definition.tags and "Tags" in kind.properties:
        scopes.append("Tags")
        details.append(_attribute_detail("Tags"))
    for attribute in _other_attributes(prepared, scope, row.current, logical_id):
        scopes.append(attribute)
        details.append(_attribute_detail(attribute))
    if not scopes and kind.name != STACK_TYPE:
        return None
    renewed = schema.needs_replacement(kind, paths)
    if renewed:
        foreseen.renewed.add(logical_id)
    change: Change = {
        "Action": "Modify",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": row.current.physical_id or "",
        "ResourceType": body.type,
        "Replacement": _replacement(renewed, details),
        "Scope": scopes,
        "Details": details,
    }
    if renewed:
        kept = policy(body.update_replace_policy, scope) == "Retain"
        change["PolicyAction"] = "ReplaceAndRetain" if kept else "ReplaceAndDelete"
    return change


def _replacement(renewed: bool, details: list[Change]) -> str:
    if not renewed:
        return "False"
    sure = any(
        item["Evaluation"] == "Static" and item["Target"].get("RequiresRecreation") == "Always" for item in details
    )
    return "True" if sure else "Conditional"


def _detail(path: str, properties: Any, renewed: bool) -> Change:
    value = properties
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return {
        "Target": {
            "Attribute": "Properties",
            "Name": path.partition(".")[0],
            "Path": "/Properties/" + path.replace(".", "/"),
            "RequiresRecreation": "Always" if renewed else "Never",
        },
        "Evaluation": "Dynamic" if holds_unknown(value) else "Static",
        "ChangeSource": "ResourceReference" if holds_unknown(value) else "DirectModification",
    }


def _attribute_detail(attribute: str) -> Change:
    return {
        "Target": {"Attribute": attribute, "RequiresRecreation": "Never"},
        "Evaluation": "Static",
        "ChangeSource": "DirectModification",
    }


def _other_attributes(prepared: Prepared, scope: Scope, current: State, logical_id: str) -> list[str]:
    body = prepared.template.resources[logical_id]
    found = []
    metadata = evaluate(body.metadata, scope) if body.metadata is not None else None
    if metadata != current.metadata:
        found.append("Metadata")
    if policy(body.deletion_policy, scope) != current.deletion_policy:
        found.append("DeletionPolicy")
    if policy(body.update_replace_policy, scope) != current.update_replace_policy:
        found.append("UpdateReplacePolicy")
    return found


def _removal(row: Resource) -> Change:
    assert row.current is not None
    kept = row.current.deletion_policy in ("Retain", "RetainExceptOnCreate")
    return {
        "BeforeContext": json.dumps(
            {"Properties": json.loads(row.current.shown) if row.current.shown else row.current.properties}
        ),
        "Action": "Remove",
        "PolicyAction": "Retain" if kept else "Delete",
        "LogicalResourceId": row.logical_id,
        "PhysicalResourceId": row.current.physical_id or "",
        "ResourceType": row.type,
        "Scope": [],
        "Details": [],
    }


def outputs_differ(prepared: Prepared, held: list[Output]) -> bool:
    """Would the outputs be others? After `foresee`, which leaves what it foresaw in the scope."""
    with refusing():
        found = evaluate_outputs(prepared)
    before = {item.key: (item.value, item.description, item.export) for item in held}
    if found.keys() != before.keys():
        return True
    return any(found[key] != before[key] for key in found if not holds_unknown(list(found[key])))
