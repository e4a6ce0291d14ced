"""Parameters in the store.

("ssm", account, region, "p", name)           the Parameter with its current version
("ssm", account, region, "v", name, number)   each version, the current one too
("ssm", account, region, "key")               the key that seals SecureStrings
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.kit.tuples import after, pack, span
from freehold.services.ssm.model import MAX_LABELS, MAX_VERSIONS, Parameter, Version, valid_label
from freehold.store.base import ReadTx, Tx

_encode = msgspec.msgpack.Encoder().encode
_decode_parameter = msgspec.msgpack.Decoder(Parameter).decode
_decode_version = msgspec.msgpack.Decoder(Version).decode


class Space(NamedTuple):
    """Whose parameters."""

    account: str
    region: str

    def parameter(self, name: str) -> bytes:
        return pack("ssm", self.account, self.region, "p", name)

    def version(self, name: str, number: int) -> bytes:
        return pack("ssm", self.account, self.region, "v", name, number)


def sealing_row(account: str, region: str) -> bytes:
    """The row that holds the key of an account's SecureStrings in a region."""
    return pack("ssm", account, region, "key")


def find(tx: ReadTx, space: Space, name: str) -> Parameter | None:
    """The parameter of that name."""
    value = tx.get(space.parameter(name))
    return _decode_parameter(value) if value else None


def select(tx: ReadTx, space: Space, name: str, selector: str | None) -> tuple[Parameter, Version] | None:
    """The parameter and the version that a selector (number or label) means. Raises ParameterVersionNotFound."""
    parameter = find(tx, space, name)
    if parameter is None:
        return None
    if selector is None:
        return parameter, parameter.current
    number = whole(selector) if selector.isdigit() else parameter.labels.get(selector)
    value = tx.get(space.version(name, number)) if number is not None else None
    if value is None:
        what = f"version {selector}" if selector.isdigit() else f"version label {selector}"
        raise Fault("ParameterVersionNotFound", f"Systems Manager could not find {what} of {name}.")
    return parameter, _decode_version(value)


def put(tx: Tx, space: Space, name: str, version: Version, tags: dict[str, str], *, overwrite: bool) -> Version:
    """Write a new version; the oldest goes when there are more than 100, unless it carries a label."""
    parameter = find(tx, space, name)
    if parameter is None:
        version.number = 1
        parameter = Parameter(name, version, {}, dict(tags))
    else:
        if not overwrite:
            raise Fault(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
            )
        _inherit(parameter.current, version)
        version.number = parameter.current.number + 1
        _drop_oldest(tx, space, parameter, version.number)
        parameter.current = version
    tx.put(space.parameter(name), _encode(parameter))
    tx.put(space.version(name, version.number), _encode(version))
    return version


def _inherit(old: Version, new: Version) -> None:
    """An overwrite keeps the description and pattern that it does not set."""
    if new.description is None:
        new.description = old.description
    if new.allowed_pattern is None:
        new.allowed_pattern = old.allowed_pattern


def _drop_oldest(tx: Tx, space: Space, parameter: Parameter, number: int) -> None:
    oldest = number - MAX_VERSIONS
    if oldest < 1:
        return
    if oldest in parameter.labels.values():
        raise Fault(
            "ParameterMaxVersionLimitExceeded",
            f"You attempted to create a new version of {parameter.name} by calling the PutParameter API with the overwrite "
            f"flag. Version {oldest}, the oldest version, can't be deleted because it has a label associated with it. Move "
            "the label to another version of the parameter, and try again.",
        )
    tx.delete(space.version(parameter.name, oldest))


def delete(tx: Tx, space: Space, name: str) -> bool:
    """Delete a parameter with its versions; False where there is none."""
    if tx.get(space.parameter(name)) is None:
        return False
    tx.delete(space.parameter(name))
    tx.clear(*span("ssm", space.account, space.region, "v", name))
    return True


def history(tx: ReadTx, space: Space, name: str, first: int, limit: int) -> list[Version]:
    """Versions from number `first` on."""
    end = after(pack("ssm", space.account, space.region, "v", name))
    return [_decode_version(value) for _, value in tx.scan(space.version(name, first), end, limit=limit)]


def page(tx: ReadTx, space: Space, prefix: str, start_after: str, limit: int) -> list[Parameter]:
    """Parameters in name order whose name starts with `prefix`, after the name `start_after`."""
    # The packed string without its terminator is a prefix of every longer name.
    begin = space.parameter(prefix)[:-1]
    start = space.parameter(start_after) + b"\x00" if start_after else begin
    return [_decode_parameter(value) for _, value in tx.scan(max(start, begin), after(begin), limit=limit)]


def label(tx: Tx, space: Space, name: str, number: int | None, labels: list[str]) -> tuple[int, list[str]]:
    """Attach labels to a version (default: the current one), moving them from others. Returns (version, invalid ones)."""
    parameter = _require(tx, space, name)
    number = number or parameter.current.number
    _require_version(tx, space, name, number)
    invalid = [text for text in labels if not valid_label(text)]
    for text in labels:
        if text not in invalid:
            parameter.labels[text] = number
    if len(parameter.labels_of(number)) > MAX_LABELS:
        raise Fault(
            "ParameterVersionLabelLimitExceeded",
            f"An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: A "
            f"parameter version can have maximum {MAX_LABELS} labels.Move one or more labels to another version and try "
            "again.",
        )
    tx.put(space.parameter(name), _encode(parameter))
    return number, invalid


def unlabel(tx: Tx, space: Space, name: str, number: int, labels: list[str]) -> tuple[list[str], list[str]]:
    """Detach labels from a version. Returns (removed, not attached to it)."""
    parameter = _require(tx, space, name)
    _require_version(tx, space, name, number)
    removed = [text for text in labels if parameter.labels.get(text) == number]
    for text in removed:
        del parameter.labels[text]
    tx.put(space.parameter(name), _encode(parameter))
    return removed, [text for text in labels if text not in removed]


def tag(tx: Tx, space: Space, name: str, add: dict[str, str], remove: list[str], limit: int) -> None:
    """Change the tags of a parameter."""
    parameter = find(tx, space, name)
    if parameter is None:
        raise Fault("InvalidResourceId", f"The resource ID {name} is not valid. Verify the ID and try again.")
    parameter.tags.update(add)
    for key in remove:
        parameter.tags.pop(key, None)
    if len(parameter.tags) > limit:
        raise Fault("TooManyTagsError", f"The Targets parameter includes too many tags: at most {limit} are allowed.")
    tx.put(space.parameter(name), _encode(parameter))


def _require(tx: ReadTx, space: Space, name: str) -> Parameter:
    parameter = find(tx, space, name)
    if parameter is None:
        raise Fault("ParameterNotFound")
    return parameter


def _require_version(tx: ReadTx, space: Space, name: str, number: int) -> None:
    if tx.get(space.version(name, number)) is None:
        raise Fault(
            "ParameterVersionNotFound",
            f"Systems Manager could not find version {number} of {name}. Verify the version.",
        )
