"""What the handlers of REST APIs share: finding, editing, paging, patch operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.ids import ALNUM_LOWER
from freehold.kit.numerals import whole
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway.rest import state
from freehold.services.apigateway.rest.state import Draft, Shape, Space
from freehold.store.base import Tx

Request = dict[str, Any]
DEFAULT_LIMIT, MAX_LIMIT = 25, 500


def space(call: Call) -> Space:
    """The APIs a call can see."""
    return Space(call.account, call.region)


def new_id(call: Call, length: int = 6) -> str:
    """Ids as API Gateway makes them: lower-case letters and digits."""
    return call.platform.ids.letters(length, ALNUM_LOWER)


async def draft(call: Call, request: Request) -> Draft:
    """The draft that a request names. Raises NotFoundException."""
    return await call.platform.store.read(lambda tx: state.find(tx, space(call), request["restApiId"]))


async def edit(call: Call, request: Request, change: Callable[[Draft], Shape]) -> Shape:
    """Change the draft that a request names, in one transaction."""
    where = space(call)

    def body(tx: Tx) -> Shape:
        return state.edit(tx, where, request["restApiId"], change)

    return await once.transact(call, body)


def paged(request: Request, shapes: Sequence[Shape], *, default: int = DEFAULT_LIMIT) -> Shape:
    """One page of a list that is small anyway; the position is the number of items already given."""
    start = whole(request.get("position", "0"))
    if start is None:
        raise bad("Invalid position specified")
    limit = request.get("limit", default)
    if not 1 <= limit <= MAX_LIMIT:
        raise bad(f"Invalid limit specified: it must be between 1 and {MAX_LIMIT}")
    end = start + limit
    answer: Shape = {"items": list(shapes[start:end])}
    return answer | ({"position": str(end)} if end < len(shapes) else {})


def bad(message: str) -> Fault:
    """BadRequestException."""
    return Fault("BadRequestException", message)


def bad_mapping(name: str) -> Fault:
    """BadRequestException for a parameter that is mapped from or to nowhere."""
    return bad(f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [{name}]")


def refuse(operation: str, request: Request, members: Iterable[str]) -> None:
    """Members that Freehold does not act on are refused by name, unless they ask for nothing."""
    for member in members:
        if request.get(member):
            raise not_implemented(f"{member} of apigateway:{operation}")


def kept(request: Request, members: Iterable[str]) -> Shape:
    """The members of a request that a shape keeps."""
    return {member: request[member] for member in members if member in request}


class Patch(NamedTuple):
    """One patch operation: its verb, its path as unescaped segments, its value."""

    op: str
    path: tuple[str, ...]
    value: str
    text: str
    """The path as sent."""

    @property
    def truth(self) -> bool:
        """The value as a boolean."""
        if self.value not in ("true", "false"):
            raise bad(f"Invalid value specified for the patch path {self.text}: it must be true or false")
        return self.value == "true"

    def refused(self, known: Iterable[str]) -> Fault:
        """BadRequestException in API Gateway's words."""
        return bad(
            f"Invalid patch path  '{self.text}' specified for op '{self.op}'. Must be one of: [{', '.join(known)}]"
        )


def patches(request: Request) -> list[Patch]:
    """The patch operations of a request. Raises BadRequestException."""
    found = []
    for operation in request.get("patchOperations", []):
        op, path = operation.get("op", ""), operation.get("path", "")
        if op not in ("add", "remove", "replace"):
            raise bad(f"Invalid patch operation specified: '{op}'. Must be one of: [add, remove, replace]")
        if not path.startswith("/"):
            raise bad(f"Invalid patch path  '{path}' specified for op '{op}'.")
        segments = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
        found.append(Patch(op, segments, operation.get("value", ""), path))
    return found


class Patchable(NamedTuple):
    """What patch operations may change of a shape, listed as refusals list it: `/uri` is a member, a text unless it is
    among `numbers`; `/requestParameters/{name}` is an entry of a map, a text unless the map is among `truths`. The members
    of `needed` cannot be removed."""

    paths: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    truths: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    def apply(self, shape: Shape, patch: Patch) -> None:
        """Raises BadRequestException."""
        member, *names = patch.path
        if f"/{member}" in self.paths and not names and not (patch.op == "remove" and member in self.needed):
            apply_entry(shape, patch, member, self._value(member, patch))
        elif len(names) == 1 and any(path.startswith(f"/{member}/{{") for path in self.paths):
            apply_entry(shape.setdefault(member, {}), patch, names[0], self._value(member, patch))
        else:
            raise patch.refused(self.paths)

    def _value(self, member: str, patch: Patch) -> str | int | bool:
        if patch.op == "remove":
            return patch.value
        if member in self.truths:
            return patch.truth
        number = whole(patch.value) if member in self.numbers else None
        if number is None and member in self.numbers:
            raise patch.refused(self.paths)
        return patch.value if number is None else number


def apply_text(shape: Shape, patch: Patch, members: Sequence[str]) -> bool:
    """Replace or remove a member of text; False where the patch means another one."""
    if len(patch.path) != 1 or patch.path[0] not in members:
        return False
    if patch.op == "remove":
        shape.pop(patch.path[0], None)
    else:
        shape[patch.path[0]] = patch.value
    return True


def apply_entry(values: dict[str, Any], patch: Patch, name: str, value: Any) -> None:
    """Add, replace or remove one entry of a map."""
    if patch.op == "remove":
        values.pop(name, None)
    else:
        values[name] = value
