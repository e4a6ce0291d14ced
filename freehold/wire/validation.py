"""validate: what a service model demands of input, in the words of AWS's framework.

Two closures per shape, compiled at first use: `ok(value)`, which is all that valid input costs, and `explain(value, path,
problems)`, which words what is wrong. Texts and their order (maximum, minimum, pattern, enum) are as AWS answers them:
"1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must ...".
"""

from __future__ import annotations

from collections.abc import Callable, KeysView
from typing import Any, NamedTuple, cast

from freehold.kit.faults import Fault
from freehold.wire.base import Operation as AnyOperation
from freehold.wire.javaregex import compile_pattern
from freehold.wire.models import Operation, Service
from freehold.wire.patches.base import Validation
from freehold.wire.shapes import Shape
from freehold.wire.wording import Constraint, worded, worded_inner

Ok = Callable[[Any], bool]
Explain = Callable[[Any, str, list[str]], None]


class Check(NamedTuple):
    """How to check a value of a shape."""

    ok: Ok
    explain: Explain
    members: KeysView[str] | None = None
    """Of a structure that asks for nothing: a value without any of these is fine, and needs no call."""


_MAX_PROBLEMS = 10
_MAX_MATCHED = 4096


def validate(operation: AnyOperation, params: dict[str, Any]) -> None:
    """Raise the service's Fault unless `params` satisfy the operation's model; see `patches.Validation`."""
    validator = operation.validator
    if validator is None:
        validator = operation.validator = _compile(cast(Operation, operation))
    try:
        validator(params)
    except RecursionError:  # what a parser could just read
        code = cast(Operation, operation).service.patch.validation.code
        raise Fault(code, "Nesting is too deep", status=400) from None


def _compile(operation: Operation) -> Callable[[dict[str, Any]], None]:
    rules = operation.service.patch.validation
    shape = operation.input
    if shape is None or rules.style == "none":
        return lambda params: None
    if rules.style == "missing":
        return _missing_only(shape, rules, operation.service)
    if rules.style == "schema":
        return _schema(shape, operation.service, rules)
    check = _Compiler(operation.service, rules).structure(shape)
    if check is None:
        return lambda params: None
    ok, explain, _ = check

    def run(params: dict[str, Any]) -> None:
        if ok(params):
            return
        problems: list[str] = []
        explain(params, "", problems)
        raise _fault(problems, rules)

    return run


def _fault(problems: list[str], rules: Validation) -> Fault:
    special = next((text for text in problems if text.startswith("\0")), None)
    if special is not None:
        return Fault(rules.code, special[1:], status=400)
    count = len(problems)
    plural = "error" if count == 1 else "errors"
    return Fault(rules.code, f"{count} validation {plural} detected: {'; '.join(problems[:_MAX_PROBLEMS])}", status=400)


def _missing_only(shape: Shape, rules: Validation, service: Service) -> Callable[[dict[str, Any]], None]:
    required = shape.required
    lists = {
        name: member.element.required
        for name, member in shape.members.items()
        if member.type == "list" and member.element.type == "structure" and member.element.required
    }

    def refuse(name: str) -> Fault:
        return Fault(rules.missing_code or rules.code, rules.missing.format(member=name), status=400)

    def run(params: dict[str, Any]) -> None:
        for name in required:
            if name not in params:
                raise refuse(name)
        for name, inner in lists.items():
            for index, item in enumerate(params.get(name, ()), 1):
                for key in inner:
                    if key not in item:
                        spelled = service.patch.query_names.members.get((shape.name, name), name)
                        raise refuse(f"{spelled}.{index}.{key}")

    return run


def _schema(shape: Shape, service: Service, rules: Validation) -> Callable[[dict[str, Any]], None]:
    payload = shape.traits.get("payload")
    if payload is None or shape.members[payload].streaming:
        return lambda params: None
    check = _Schema(service, rules).check(shape.members[payload])
    needed = payload in shape.required

    def run(params: dict[str, Any]) -> None:
        document = params.get(payload)
        if document is None:
            if needed:
                raise Fault("MissingRequestBodyError", "Request Body is empty", status=400)
        elif check is not None and not check[0](document):
            text = "The XML you provided was not well-formed or did not validate against our published schema"
            raise Fault(rules.code, text, status=400)

    return run


def lower_camel(name: str) -> str:
    """`TableName` -> `tableName`, as the framework names members."""
    return name[:1].lower() + name[1:]


class _Compiler:
    def __init__(self, service: Service, rules: Validation) -> None:
        self.cache = service.compiled
        self.rules = rules

    def check(self, shape: Shape) -> Check | None:
        """How to check a value of this shape; None where anything goes."""
        if shape.type == "structure":
            return self.structure(shape)
        if shape.type == "list":
            return self.list(shape)
        if shape.type == "map":
            return self.map(shape)
        constraints = self.constraints(shape)
        if not constraints:
            return None
        return Check(_all_ok(constraints), self._explain_scalar(shape, constraints))

    def constraints(self, shape: Shape) -> list[Constraint]:
        """What the shape itself demands, in the order in which AWS reports it."""
        if shape.name in self.rules.skip or shape.streaming:
            return []
        traits = shape.traits
        found = _bounds(shape.type, traits.get("min"), traits.get("max"))
        if shape.type == "string":
            pattern = compile_pattern(traits["pattern"]) if "pattern" in traits else None
            if pattern is not None:
                found.append(self._pattern(pattern.fullmatch, traits["pattern"]))
            if traits.get("enum"):
                values = frozenset(traits["enum"])
                text = f"Member must satisfy enum value set: [{', '.join(traits['enum'])}]"
                found.append((values.__contains__, text))
        return found

    def _pattern(self, fullmatch: Callable[[str], Any], pattern: str) -> Constraint:
        def ok(value: str) -> bool:
            # What is far too long has been refused by length; no pattern is run over megabytes.
            return len(value) > _MAX_MATCHED or fullmatch(value) is not None

        special = self.rules.patterns.get(pattern)
        return ok, "\0" + special if special else f"Member must satisfy regular expression pattern: {pattern}"

    def _explain_scalar(self, shape: Shape, constraints: list[Constraint]) -> Explain:
        sensitive = bool(shape.traits.get("sensitive"))

        def explain(value: Any, path: str, problems: list[str]) -> None:
            problems.extend(worded(constraints, value, path, sensitive))

        return explain

    def structure(self, shape: Shape) -> Check | None:
        key = ("validate", shape.name)
        if key in self.cache:
            known: Check | None = self.cache[key]
            return known
        if shape.document or not self._constrained(shape, set()):
            self.cache[key] = None
            return None
        required = shape.required
        members: dict[str, Check] = {}

        def ok(value: Any) -> bool:
            for name in required:
                if name not in value:
                    return False
            for name, item in value.items():
                check = members.get(name)
                if check is not None and not check[0](item):
                    return False
            return True

        def explain(value: Any, path: str, problems: list[str]) -> None:
            prefix = path + "." if path else ""
            for name in required:
                if name not in value:
                    where = prefix + lower_camel(name)
                    problems.append(f"Value null at '{where}' failed to satisfy constraint: Member must not be null")
            for name, item in value.items():
                check = members.get(name)
                if check is not None and not check[0](item):
                    check[1](item, prefix + lower_camel(name), problems)

        self.cache[key] = made = Check(ok, explain, None if required else members.keys())
        for name, member in shape.members.items():
            check = self.check(member) if not member.event_stream else None
            if check is not None:
                members[name] = check
        return made

    def _constrained(self, shape: Shape, seen: set[str]) -> bool:
        if shape.type == "structure":
            if shape.name in seen or shape.document:
                return False
            seen.add(shape.name)
            return bool(shape.required) or any(self._constrained(member, seen) for member in shape.members.values())
        if self.constraints(shape):
            return True
        if shape.type == "list":
            return self._constrained(shape.element, seen)
        if shape.type == "map":
            return self._constrained(shape.key, seen) or self._constrained(shape.value, seen)
        return False

    def list(self, shape: Shape) -> Check | None:
        own, element = self.constraints(shape), shape.element
        complex_element = element.type in ("structure", "list", "map")
        inner = self.check(element)
        if inner is None and not own:
            return None
        ok_own, element_ok = _all_ok(own), inner[0] if inner else _anything
        element_constraints = [] if complex_element else self.constraints(element)
        sensitive = bool(shape.traits.get("sensitive") or element.traits.get("sensitive"))

        def ok(value: Any) -> bool:
            if not ok_own(value):
                return False
            for item in value:  # noqa: SIM110  all() of a generator costs three times the loop
                if not element_ok(item):
                    return False
            return True

        def explain(value: Any, path: str, problems: list[str]) -> None:
            problems.extend(worded(own, value, path, sensitive))
            if complex_element and inner is not None:
                for index, item in enumerate(value, 1):
                    if not element_ok(item):
                        inner[1](item, f"{path}.{index}.member", problems)
            elif element_constraints and not all(element_ok(item) for item in value):
                problems.append(
                    worded_inner(element_constraints, value, path, sensitive, "Member must satisfy constraint")
                )

        return Check(ok, explain)

    def map(self, shape: Shape) -> Check | None:
        own, value_shape = self.constraints(shape), shape.value
        keys = self.constraints(shape.key)
        complex_value = value_shape.type in ("structure", "list", "map")
        inner = self.check(value_shape)
        if inner is None and not own and not keys:
            return None
        ok_own, ok_key, value_ok = _all_ok(own), _all_ok(keys), inner[0] if inner else _anything
        value_constraints = [] if complex_value else self.constraints(value_shape)
        sensitive = bool(shape.traits.get("sensitive") or value_shape.traits.get("sensitive"))

        looked_at = inner.members if inner else None

        def ok(value: Any) -> bool:
            if not ok_own(value):
                return False
            for key, item in value.items():
                if not ok_key(key):
                    return False
                if (looked_at is None or not looked_at.isdisjoint(item)) and not value_ok(item):
                    return False
            return True

        def explain(value: Any, path: str, problems: list[str]) -> None:
            problems.extend(worded(own, value, path, sensitive))
            if not all(ok_key(key) for key in value):
                problems.append(worded_inner(keys, value, path, sensitive, "Map keys must satisfy constraint"))
            if complex_value and inner is not None:
                for key, item in value.items():
                    if not value_ok(item):
                        inner[1](item, f"{path}.{key}.member", problems)
            elif value_constraints and not all(value_ok(item) for item in value.values()):
                problems.append(
                    worded_inner(value_constraints, value, path, sensitive, "Map value must satisfy constraint")
                )

        return Check(ok, explain)


class _Schema(_Compiler):
    """What a schema of documents says: which elements must be there, and which words they may hold."""

    def constraints(self, shape: Shape) -> list[Constraint]:
        if shape.name in self.rules.skip:
            return []
        values = shape.traits.get("enum") if shape.type == "string" else None
        return [(frozenset(values).__contains__, "")] if values else []


def _anything(_: Any) -> bool:
    return True


def _all_ok(constraints: list[Constraint]) -> Ok:
    checks = tuple(ok for ok, _ in constraints)
    if not checks:
        return _anything
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)

    def ok(value: Any) -> bool:
        for check in checks:  # noqa: SIM110
            if not check(value):
                return False
        return True

    return ok


def _bounds(type: str, low: float | None, high: float | None) -> list[Constraint]:
    found: list[Constraint] = []
    if type in ("string", "blob", "list", "map"):
        if high is not None:
            found.append((_at_most(high), f"Member must have length less than or equal to {high}"))
        if low:  # nothing is shorter than zero
            found.append((_at_least(low), f"Member must have length greater than or equal to {low}"))
    elif type in ("integer", "long", "float", "double"):
        if high is not None:
            found.append((high.__ge__, f"Member must have value less than or equal to {_number(high)}"))
        if low is not None:
            found.append((low.__le__, f"Member must have value greater than or equal to {_number(low)}"))
        found = [(_compared(ok), text) for ok, text in found]
    return found


def _compared(compare: Ok) -> Ok:
    # int.__ge__(float) is NotImplemented, which is true.
    return lambda value: compare(int(value) if isinstance(value, float) and value.is_integer() else value) is True


def _at_most(high: float) -> Ok:
    return lambda value: len(value) <= high


def _at_least(low: float) -> Ok:
    return lambda value: len(value) >= low


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
