"""Parameter Store's invariants: a parameter's current version is among its versions, which are numbered without a gap."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import unpack
from freehold.services.ssm.model import MAX_VERSIONS, Parameter, Version
from freehold.services.ssm.state import Space
from freehold.work.checking import Report, Snapshot, shown

_parameter = msgspec.msgpack.Decoder(Parameter).decode
_version = msgspec.msgpack.Decoder(Version).decode


def check(snapshot: Snapshot, report: Report) -> None:
    """Parameters one after the other, then versions of none."""
    for account, region in snapshot.spaces("ssm"):
        space = Space(account, region)
        for key, value in snapshot.below("ssm", *space, "p"):
            parameter = report.decode(shown(key), value, _parameter)
            if parameter is not None:
                _check_parameter(snapshot, report, space, str(unpack(key)[4]), parameter)
        for name in snapshot.next_parts("ssm", *space, "v"):
            if snapshot.get(space.parameter(str(name))) is None:
                report.broken(f"versions of {name!r} of {account}/{region} belong to no parameter")
        for kind in snapshot.next_parts("ssm", *space):
            if kind not in ("p", "v", "key"):
                report.broken(f"{account}/{region} has rows of unknown kind {kind!r}")


def _check_parameter(snapshot: Snapshot, report: Report, space: Space, name: str, parameter: Parameter) -> None:
    what = f"parameter {name} of {'/'.join(space)}"
    report.same(f"{what} is called", parameter.name, name)
    numbers: list[int] = []
    last: Version | None = None
    for key, value in snapshot.below("ssm", *space, "v", name):
        number = unpack(key)[5]
        last = report.decode(shown(key), value, _version)
        if last is not None:
            report.same(f"{shown(key)} is of number", last.number, number)
            numbers.append(last.number)
    current = parameter.current.number
    oldest = max(1, current - MAX_VERSIONS + 1)
    if numbers != list(range(oldest, current + 1)):
        report.broken(f"{what} has versions {_brief(numbers)}, but should have {oldest} to {current}")
    elif last != parameter.current:
        report.broken(f"{what}: its current version is not what its version {current} says")
    for label, number in parameter.labels.items():
        if number not in numbers:
            report.broken(f"{what}: its label {label} is of version {number}, which is not there")


def _brief(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]} ({len(numbers)})" if numbers else "none"
