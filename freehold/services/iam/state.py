"""Identities in the store. IAM is global: rows have no region.

("iam", account, kind, name)   a User, Role, Group, Profile or customer managed Policy; names are unique per kind
("iam", "", "key", key id)     an AccessKey, findable without knowing its account
("iam", "", "sessions")        the key under which session tokens are made
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar, overload

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack
from freehold.services.iam import managed
from freehold.services.iam.model import (
    MAX_ATTACHED,
    MAX_INLINE,
    AccessKey,
    Entity,
    Group,
    Policy,
    Profile,
    Role,
    User,
    missing,
    no_entity,
    size,
)
from freehold.store.base import ReadTx, Tx

Record = User | Role | Group | Profile | Policy
R = TypeVar("R", User, Role, Group, Profile, Policy)

KINDS: dict[type[Any], str] = {User: "user", Role: "role", Group: "group", Profile: "profile", Policy: "policy"}
_decoders = {kind: msgspec.msgpack.Decoder(kind) for kind in (*KINDS, AccessKey)}
_encode = msgspec.msgpack.Encoder().encode


def _row(account: str, kind: str, name: str) -> bytes:
    # Names are unique without regard to case; the record keeps the case it was created with.
    return pack("iam", account, kind, name.lower())


def find(tx: ReadTx, kind: type[R], account: str, name: str) -> R | None:
    """The record of that name."""
    value = tx.get(_row(account, KINDS[kind], name))
    return _decoders[kind].decode(value) if value else None


def require(tx: ReadTx, kind: type[R], account: str, name: str) -> R:
    """The record of that name. Raises NoSuchEntity."""
    found = find(tx, kind, account, name)
    if found is None:
        raise missing(KINDS[kind], name)
    return found


def save(tx: Tx, account: str, record: Record) -> None:
    """Write a record."""
    tx.put(_row(account, KINDS[type(record)], record.name), _encode(record))


def create(tx: Tx, account: str, record: Record) -> None:
    """Write a new record. Raises EntityAlreadyExists."""
    kind = KINDS[type(record)]
    if tx.get(_row(account, kind, record.name)) is not None:
        if isinstance(record, Policy):
            message = f"A policy called {record.name} already exists. Duplicate names are not allowed."
        else:
            noun = {"profile": "Instance Profile"}.get(kind, kind.capitalize())
            message = f"{noun} with name {record.name} already exists."
        raise Fault("EntityAlreadyExists", message)
    save(tx, account, record)


def remove(tx: Tx, account: str, record: Record) -> None:
    """Delete a record."""
    tx.delete(_row(account, KINDS[type(record)], record.name))


def page(tx: ReadTx, kind: type[R], account: str, start_after: str, limit: int) -> list[R]:
    """Records of a kind in name order."""
    prefix = pack("iam", account, KINDS[kind])
    start = _row(account, KINDS[kind], start_after) + b"\x00" if start_after else prefix
    return [_decoders[kind].decode(value) for _, value in tx.scan(start, after(prefix), limit=limit)]


def everything(tx: ReadTx, kind: type[R], account: str) -> list[R]:
    """All records of a kind."""
    found: list[R] = []
    while True:
        rows = page(tx, kind, account, found[-1].name if found else "", 500)
        found.extend(rows)
        if len(rows) < 500:
            return found


@lru_cache(maxsize=1_000)
@lru_cache(maxsize=1_000)
def key_row(key_id: str) -> bytes:
    """Where an access key lies."""
    return pack("iam", "", "key", key_id)


def decode_key(value: bytes) -> AccessKey:
    """What lies there."""
    found: AccessKey = _decoders[AccessKey].decode(value)
    return found


@overload
def key(tx: ReadTx, key_id: str) -> AccessKey | None: ...
@overload
def key(tx: ReadTx, key_id: str, user: str) -> AccessKey: ...
def key(tx: ReadTx, key_id: str, user: str | None = None) -> AccessKey | None:
    """An access key by id; with `user`, only that user's (NoSuchEntity otherwise)."""
    value = tx.get(key_row(key_id))
    found = decode_key(value) if value else None
    if user is not None and (found is None or found.user != user):
        raise no_entity(f"The Access Key with id {key_id} cannot be found.")
    return found


def save_key(tx: Tx, record: AccessKey) -> None:
    """Write an access key."""
    tx.put(key_row(record.id), _encode(record))


def remove_key(tx: Tx, key_id: str) -> None:
    """Delete an access key."""
    tx.delete(pack("iam", "", "key", key_id))


def session_key(tx: Tx, fresh: bytes) -> bytes:
    """The key of session tokens; `fresh` becomes it on a new store."""
    row = pack("iam", "", "sessions")
    found = tx.get(row)
    if found is None:
        tx.put(row, fresh)
        return fresh
    return found


def root_key(tx: Tx, fresh: AccessKey) -> AccessKey | None:
    """Make `fresh` the root's access key if this installation never had one; None when it had."""
    row = pack("iam", "", "root")
    if tx.get(row) is not None:
        return None
    tx.put(row, fresh.id.encode())
    save_key(tx, fresh)
    return fresh


def attach(tx: Tx, account: str, entity: User | Role | Group, policy_arn: str) -> None:
    """Attach a managed policy; twice is once. Raises NoSuchEntity, LimitExceeded."""
    if policy_arn in entity.attached:
        return
    if len(entity.attached) >= MAX_ATTACHED:
        noun = type(entity).__name__
        raise Fault("LimitExceeded", f"Cannot exceed quota for PoliciesPer{noun}: {MAX_ATTACHED}")
    policy = require_policy(tx, account, policy_arn, attachable=True)
    entity.attached.append(policy_arn)
    save(tx, account, entity)
    if policy is not None:
        policy.attached += 1
        save(tx, account, policy)


def detach(tx: Tx, account: str, entity: User | Role | Group, policy_arn: str) -> None:
    """Detach a managed policy. Raises NoSuchEntity."""
    if policy_arn not in entity.attached:
        raise no_entity(f"Policy {policy_arn} was not found.")
    entity.attached.remove(policy_arn)
    save(tx, account, entity)
    policy = find(tx, Policy, account, policy_arn.rpartition("/")[2])
    if policy is not None and policy.arn == policy_arn:
        policy.attached -= 1
        save(tx, account, policy)


def require_policy(tx: ReadTx, account: str, policy_arn: str, *, attachable: bool = False) -> Policy | None:
    """The customer managed policy of an ARN; None for one of AWS's own. Raises NoSuchEntity where there is neither."""
    if managed.exists(policy_arn):
        return None
    policy = find(tx, Policy, account, policy_arn.rpartition("/")[2])
    if policy is None or policy.arn != policy_arn:
        tail = "does not exist or is not attachable." if attachable else "does not exist."
        raise no_entity(f"Policy {policy_arn} {tail}")
    return policy


def put_inline(tx: Tx, account: str, entity: User | Role | Group, name: str, document: str) -> None:
    """Write an inline policy. Raises LimitExceeded beyond the quota of all inline policies."""
    kind = KINDS[type(entity)]
    entity.inline[name] = document
    if sum(size(text) for text in entity.inline.values()) > MAX_INLINE[kind]:
        raise Fault(
            "LimitExceeded", f"Maximum policy size of {MAX_INLINE[kind]} bytes exceeded for {kind} {entity.name}"
        )
    save(tx, account, entity)


def inline(entity: Entity, name: str) -> str:
    """An inline policy. Raises NoSuchEntity."""
    document = entity.inline.get(name)
    if document is None:
        kind = KINDS[type(entity)]
        raise no_entity(f"The {kind} policy with name {name} cannot be found.")
    return document


def refuse_unless_bare(entity: User | Role | Group) -> None:
    """Identities are deleted only when nothing hangs on them."""
    if entity.attached:
        raise Fault("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    if entity.inline:
        raise Fault("DeleteConflict", "Cannot delete entity, must delete policies first.")
