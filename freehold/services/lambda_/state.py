"""Functions and their versions in the store. Every function here takes a transaction first."""

from __future__ import annotations

import re

from freehold.kit.faults import Fault
from freehold.kit.tuples import unpack
from freehold.services.lambda_ import rows
from freehold.services.lambda_.model import Alias, Function, Version
from freehold.services.lambda_.names import LATEST, FunctionName
from freehold.services.lambda_.packages import drop
from freehold.services.lambda_.rows import Keys
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN
from freehold.work.blobs import Blobs

_NUMBER = re.compile(r"[0-9]+")


def keys_of(name: FunctionName) -> Keys:
    return Keys(name.account, name.region)


def not_found(name: FunctionName) -> Fault:
    return Fault("ResourceNotFoundException", f"Function not found: {name.qualified_arn}", Type="User")


def alias_not_found(name: FunctionName) -> Fault:
    return Fault("ResourceNotFoundException", f"Cannot find alias arn: {name.qualified_arn}", Type="User")


def stale() -> Fault:
    return Fault(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve "
        "the latest Revision Id",
        Type="User",
    )


def require_function(tx: ReadTx, name: FunctionName) -> Function:
    """The function, or ResourceNotFoundException."""
    found = rows.functions.get(tx, keys_of(name).function(name.name))
    if found is None:
        raise not_found(name)
    return found


def is_number(qualifier: str) -> bool:
    return _NUMBER.fullmatch(qualifier) is not None


def find_alias(tx: ReadTx, name: FunctionName) -> Alias | None:
    """The alias that the qualifier names, if it names one."""
    if not name.qualifier or name.qualifier == LATEST or is_number(name.qualifier):
        return None
    return rows.aliases.get(tx, keys_of(name).alias(name.name, name.qualifier))


def require_version(tx: ReadTx, name: FunctionName) -> Version:
    """The version that a qualifier (none, $LATEST, a number, an alias) means, or ResourceNotFoundException."""
    number = 0
    if name.qualifier and name.qualifier != LATEST:
        if is_number(name.qualifier):
            number = int(name.qualifier)
        else:
            alias = find_alias(tx, name)
            if alias is None:
                raise not_found(name)
            number = alias.version
    found = version_at(tx, name, number)
    if found is None or (number == 0 and is_number(name.qualifier)):
        raise not_found(name)
    return found


def version_at(tx: ReadTx, name: FunctionName, number: int) -> Version | None:
    """A version by number; 0 is $LATEST. Numbers past what a key can hold do not exist."""
    if number >= 1 << 63:
        return None
    return rows.versions.get(tx, keys_of(name).version(name.name, number))


def touch(tx: Tx, name: FunctionName, stamp: str) -> None:
    """Make every cached target of the function stale. `stamp` is fresh."""
    tx.put(keys_of(name).stamp(name.name), stamp.encode())


def create(tx: Tx, name: FunctionName, function: Function, latest: Version, stamp: str) -> None:
    """Write a new function with its $LATEST; the package is held by the caller."""
    keys = keys_of(name)
    if rows.functions.get(tx, keys.function(name.name)) is not None:
        raise Fault("ResourceConflictException", f"Function already exist: {name.name}", Type="User")
    rows.functions.put(tx, keys.function(name.name), function)
    rows.versions.put(tx, keys.version(name.name, 0), latest)
    touch(tx, name, stamp)


def put_latest(tx: Tx, name: FunctionName, latest: Version, stamp: str) -> None:
    """Replace $LATEST."""
    rows.versions.put(tx, keys_of(name).version(name.name, 0), latest)
    touch(tx, name, stamp)


def check_revision(given: str | None, current: str) -> None:
    """The optimistic lock of RevisionId parameters."""
    if given is not None and given != current:
        raise stale()


def delete(tx: Tx, blobs: Blobs, name: FunctionName) -> list[str]:
    """Remove a function with all it has. Returns the packages that nobody uses any more."""
    require_function(tx, name)
    keys = keys_of(name)
    gone: list[str] = []
    for key, raw in scan_all(tx, *keys.versions(name.name)):
        gone += drop_version(tx, blobs, rows.versions.load(raw))
        tx.delete(key)
    for _, raw in scan_all(tx, *keys.urls(name.name)):
        tx.delete(rows.url_owner_key(rows.urls.load(raw).id))
    ranges = (keys.aliases(name.name), keys.policies(name.name), keys.urls(name.name), keys.invoke_configs(name.name))
    for start, end in ranges:
        while tx.clear(start, end) == MAX_SCAN:
            pass
    reserved = rows.counts.get(tx, keys.reserved()) or {}
    if reserved.pop(name.name, None) is not None:
        rows.counts.put(tx, keys.reserved(), reserved)
        tx.delete(keys.slots(name.name))
    tx.delete(keys.function(name.name))
    tx.delete(keys.stamp(name.name))
    return gone


def drop_version(tx: Tx, blobs: Blobs, version: Version) -> list[str]:
    """Give back the packages of a version that goes."""
    used = [version.package, *(layer.package for layer in version.layers)]
    return [sha256 for sha256 in used if drop(tx, blobs, sha256)]


def delete_version(tx: Tx, blobs: Blobs, name: FunctionName, number: int, stamp: str) -> list[str]:
    """Remove a published version that no alias uses."""
    require_function(tx, name)
    keys = keys_of(name)
    version = version_at(tx, name, number)
    if version is None:
        return []
    users = [
        alias.name
        for _, raw in scan_all(tx, *keys.aliases(name.name))
        if (alias := rows.aliases.load(raw)).version == number or str(number) in alias.routes
    ]
    if users:
        raise Fault(
            "ResourceConflictException",
            f"Unable to delete version because the following aliases reference it: [{', '.join(users)}]",
            Type="User",
        )
    tx.delete(keys.version(name.name, number))
    tx.delete(keys.policy(name.name, str(number)))
    tx.delete(keys.invoke_config(name.name, str(number)))
    touch(tx, name, stamp)
    return drop_version(tx, blobs, version)


def scan_all(tx: ReadTx, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
    """Every row of a range, page by page."""
    found: list[tuple[bytes, bytes]] = []
    while page := tx.scan(start, end, limit=MAX_SCAN):
        found += page
        start = page[-1][0] + b"\x00"
    return found


def last_part(key: bytes) -> str:
    """The name at the end of a key."""
    return str(unpack(key)[-1])
