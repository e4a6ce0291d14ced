"""Lambda's invariants: every package is there and counts those who use it; everything a function has is a function's."""

from __future__ import annotations

from typing import Any

from freehold.kit.tuples import unpack
from freehold.services.lambda_ import rows
from freehold.services.lambda_.rows import SERVICE, Keys
from freehold.work.checking import Report, Snapshot, shown

_OF_FUNCTIONS: dict[str, rows.Codec[Any]] = {
    "v": rows.versions,
    "a": rows.aliases,
    "p": rows.policies,
    "u": rows.urls,
    "i": rows.invoke_configs,
}


def check(snapshot: Snapshot, report: Report) -> None:
    """Functions and layers of each account and region, then packages."""
    for account, region in snapshot.spaces(SERVICE):
        if account.isdigit():
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


def _space(snapshot: Snapshot, report: Report, keys: Keys) -> None:
    for kind, codec in _OF_FUNCTIONS.items():
        for key, value in snapshot.below(SERVICE, *keys, kind):
            found = report.decode(shown(key), value, codec.load)
            if snapshot.get(keys.function(str(unpack(key)[4]))) is None:
                report.broken(f"{shown(key)} belongs to a function that is not there")
            if kind == "v" and found is not None:
                for sha256 in (found.package, *(layer.package for layer in found.layers)):
                    report.notes.add("use", sha256.encode())
    for key, value in snapshot.below(SERVICE, *keys, "f"):
        function = report.decode(shown(key), value, rows.functions.load)
        if function is not None and snapshot.get(keys.version(function.name, 0)) is None:
            report.broken(f"{shown(key)} has no $LATEST")
    for key, value in snapshot.below(SERVICE, *keys, "l"):
        layer = report.decode(shown(key), value, rows.layer_versions.load)
        if layer is not None:
            report.notes.add("use", layer.package.encode())
