"""DynamoDB's update expressions: a Fault, or an item of the same form."""

from __future__ import annotations

import copy
import json
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import values as attribute_values
from fuzz.draws import Draws
from fuzz.targets import Target, require
from fuzz.targets.expressions import WORDS, Text, bound_of, item


def _update(text: Text) -> str:
    draws = text.draws
    clauses = []
    for word in ("SET", "REMOVE", "ADD", "DELETE"):
        if not draws.chance(50):
            continue
        actions = []
        for _ in range(draws.integer(1, 3)):
            path = text.path()[0]
            if word == "SET":
                actions.append(f"{path} = {_operand(text)}{draws.pick(('', '', ' + ', ' - '))}")
                if actions[-1].endswith((" + ", " - ")):
                    actions[-1] += _operand(text)
            elif word == "REMOVE":
                actions.append(path)
            else:
                actions.append(f"{path} {text.value()[0]}")
        clauses.append(f"{word} {', '.join(actions)}")
    return " ".join(clauses)


def _operand(text: Text, depth: int = 0) -> str:
    kind = text.draws.integer(0, 6)
    if kind < 3 or depth > 2:
        return text.value()[0]
    if kind < 5:
        return text.path()[0]
    if kind == 5:
        return f"if_not_exists({text.path()[0]}, {_operand(text, depth + 1)})"
    return f"list_append({_operand(text, depth + 1)}, {_operand(text, depth + 1)})"


def run_updates(draws: Draws) -> Any:
    """UpdateExpression on an item: what comes out is an item, and what went in is as it was."""
    subject = item(draws)
    text = Text(draws, subject)
    written = _update(text) if not draws.chance(10) else draws.text(200)
    request = text.request(UpdateExpression=written)
    before = json.dumps(subject, default=repr)
    try:
        bound = bound_of(request, "UpdateExpression")
        compiled = bound.update(request["UpdateExpression"])
        bound.finish()
        updated = compiled.apply(subject, bound.values)
    except Fault as fault:
        require(fault.code == "ValidationException", fault)
        return str(fault)
    finally:
        require(json.dumps(subject, default=repr) == before, "the item was changed", before, request)
    shown = json.dumps(updated, default=repr, sort_keys=True)
    try:
        attribute_values.check_item(again := copy.deepcopy(updated))
    except Fault as fault:
        require("Nesting" in fault.message, "an update made an invalid value", shown, fault)
        return shown
    require(again == updated, "an update made a value that is not in normal form", updated, again)
    untouched = [name for name in subject if name not in compiled.attributes]
    require(all(updated.get(name) == subject[name] for name in untouched), "another attribute was changed", shown)
    require(compiled.apply(subject, bound.values) == updated, "a second application differs", shown)
    return shown


TARGETS = (Target("updates", run_updates, dictionary=WORDS),)
