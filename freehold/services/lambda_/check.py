"""Lambda's invariants: every package is there and counts those who use it; everything a function has is a function's."""

from __future__ import annotations

from typing import Any

from freehold.kit.tuples import unpack
from freehold.services.lambda_ import check_events, rows
from freehold.services.lambda_.model import Alias, Function
from freehold.services.lambda_.rows import SERVICE, Keys
from freehold.work.checking import Report, Snapshot, shown

_OF_FUNCTIONS: dict[str, rows.Codec[Any]] = {
    "v": rows.versions,
    "a": rows.aliases,
    "p": rows.policies,
    "u": rows.urls,
    "i": rows.invoke_configs,
}
_OF_SPACES = {*_OF_FUNCTIONS, "f", "g", "c", "s", "l", "n", "q"}
_GLOBAL = {"package", "url", "code-key", "slots-listed", *check_events.KINDS}


def check(snapshot: Snapshot, report: Report) -> None:
    """Functions and layers of each account and region, then packages, URLs, mappings and events."""
    for kind in snapshot.next_parts(SERVICE):
        if kind not in _GLOBAL and not (isinstance(kind, str) and kind.isdigit()):
            report.broken(f"there are rows of unknown kind {kind!r}")
    for account, region in snapshot.spaces(SERVICE):
        _space(snapshot, report, Keys(account, region))
    for key, value in snapshot.below(SERVICE, "package"):
        sha256 = str(unpack(key)[2])
        package = report.decode(f"package {sha256}", value, rows.packages.load)
        if package is not None:
            report.names(f"package {sha256}", package.blob)
            report.same(f"package {sha256} counts uses", package.uses, report.notes.get("use", sha256.encode()) or 0)
    for sha256_key, _ in report.notes.all("use"):
        if snapshot.get(rows.package_key(sha256_key.decode())) is None:
            report.broken(f"package {sha256_key.decode()} is used, but is not there")
    _urls(snapshot, report)
    check_events.check(snapshot, report)


def _space(snapshot: Snapshot, report: Report, keys: Keys) -> None:
    for kind in snapshot.next_parts(SERVICE, *keys):
        if kind not in _OF_SPACES:
            report.broken(f"{'/'.join(keys)} has rows of unknown kind {kind!r}")
    for name, codec in _OF_FUNCTIONS.items():
        for key, value in snapshot.below(SERVICE, *keys, name):
            found = report.decode(shown(key), value, codec.load)
            if snapshot.get(keys.function(str(unpack(key)[4]))) is None:
                report.broken(f"{shown(key)} belongs to a function that is not there")
            if name == "v" and found is not None:
                for sha256 in (found.package, *(layer.package for layer in found.layers)):
                    report.notes.add("use", sha256.encode())
            elif name == "a" and found is not None:
                _alias(snapshot, report, keys, str(unpack(key)[4]), found)
            elif name == "u" and found is not None and snapshot.get(rows.url_owner_key(found.id)) is None:
                report.broken(f"{shown(key)}: nothing is found at that URL")
    _functions(snapshot, report, keys)
    _layers(snapshot, report, keys)


def _functions(snapshot: Snapshot, report: Report, keys: Keys) -> None:
    reserved: dict[str, int] = {}
    for key, value in snapshot.below(SERVICE, *keys, "f"):
        function = report.decode(shown(key), value, rows.functions.load)
        if function is not None:
            _function(snapshot, report, keys, function)
            if function.reserved is not None:
                reserved[function.name] = function.reserved
    for key, _ in snapshot.below(SERVICE, *keys, "g"):
        if snapshot.get(keys.function(str(unpack(key)[4]))) is None:
            report.broken(f"{shown(key)} is the stamp of a function that is not there")
    raw = snapshot.get(keys.reserved())
    counts = report.decode(f"what is reserved of {'/'.join(keys)}", raw, rows.counts.load) if raw is not None else {}
    if counts is not None:
        report.same(f"{'/'.join(keys)} has reserved concurrency", counts, reserved)


def _function(snapshot: Snapshot, report: Report, keys: Keys, function: Function) -> None:
    what = f"function {function.name} of {'/'.join(keys)}"
    if snapshot.get(keys.version(function.name, 0)) is None:
        report.broken(f"{what} has no $LATEST")
    if snapshot.get(keys.stamp(function.name)) is None:
        report.broken(f"{what} has no stamp: what is cached of it would never be renewed")
    for key, value in snapshot.below(SERVICE, *keys, "v", function.name):
        version = report.decode(shown(key), value, rows.versions.load)
        if version is not None:
            report.same(f"{shown(key)} is", (version.name, version.number), (function.name, unpack(key)[5]))
            if version.number > function.last_version:
                report.broken(f"{what} has version {version.number}, but says that {function.last_version} is the last")


def _alias(snapshot: Snapshot, report: Report, keys: Keys, function: str, alias: Alias) -> None:
    for number in (alias.version, *map(int, alias.routes)):
        if snapshot.get(keys.version(function, number)) is None:
            report.broken(
                f"alias {function}:{alias.name} of {'/'.join(keys)} is of version {number}, which is not there"
            )


def _layers(snapshot: Snapshot, report: Report, keys: Keys) -> None:
    for key, value in snapshot.below(SERVICE, *keys, "l"):
        layer = report.decode(shown(key), value, rows.layer_versions.load)
        if layer is None:
            continue
        report.notes.add("use", layer.package.encode())
        last = rows.numbers.get(snapshot.tx, keys.layer_number(layer.name)) or 0
        if layer.number > last:
            report.broken(f"{shown(key)}: its layer says that {last} is its last version")
    for key, value in snapshot.below(SERVICE, *keys, "q"):
        report.decode(shown(key), value, rows.policies.load)
        name, number = unpack(key)[4:6]
        if not isinstance(number, int) or snapshot.get(keys.layer(str(name), number)) is None:
            report.broken(f"{shown(key)} is the policy of a layer version that is not there")


def _urls(snapshot: Snapshot, report: Report) -> None:
    for key, value in snapshot.below(SERVICE, "url"):
        owner = report.decode(shown(key), value, rows.url_owners.load)
        if owner is not None and snapshot.get(Keys(*owner[:2]).url(*owner[2:])) is None:
            report.broken(f"{shown(key)} leads to a function URL that is not there")
