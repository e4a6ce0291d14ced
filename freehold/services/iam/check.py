"""IAM's invariants: keys and users, groups and members, policies and those they are attached to know each other."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.services.iam import managed, state
from freehold.services.iam.model import AccessKey, Group, Policy, Profile, Role, User
from freehold.work.checking import Report, Snapshot, shown

_key = msgspec.msgpack.Decoder(AccessKey).decode
R = TypeVar("R", User, Role, Group, Profile, Policy)
_KINDS: dict[str, Any] = {name: msgspec.msgpack.Decoder(kind).decode for kind, name in state.KINDS.items()}


def check(snapshot: Snapshot, report: Report) -> None:
    """Accounts one after the other, then access keys."""
    for account in snapshot.next_parts("iam"):
        if account:
            _account(snapshot, report, str(account))
    for kind in snapshot.next_parts("iam", ""):
        if kind not in ("key", "root", "sessions"):
            report.broken(f"there are rows of unknown kind {kind!r}")
    for key, value in snapshot.below("iam", "", "key"):
        record = report.decode(shown(key), value, _key)
        if record is not None and record.user is not None:
            _check_key(snapshot, report, record)


def _account(snapshot: Snapshot, report: Report, account: str) -> None:
    report.notes.forget("attached")
    for kind in snapshot.next_parts("iam", account):
        if kind not in _KINDS:
            report.broken(f"account {account} has rows of unknown kind {kind!r}")
            continue
        for key, value in snapshot.below("iam", account, kind):
            record = report.decode(shown(key), value, _KINDS[str(kind)])
            if record is None:
                continue
            if record.name.lower() != unpack(key)[3]:
                report.broken(f"{shown(key)} is called {record.name}: it cannot be found by its name")
            if isinstance(record, User | Role | Group):
                for arn in record.attached:
                    report.notes.add("attached", arn.encode())
            _check_record(snapshot, report, account, record)
    for key, value in snapshot.below("iam", account, "policy"):
        policy = report.decode(shown(key), value, _KINDS["policy"])
        if policy is not None:
            count = report.notes.get("attached", policy.arn.encode()) or 0
            report.same(f"policy {policy.arn} counts attachments", policy.attached, count)
    for arn_key, _ in report.notes.all("attached"):
        arn = arn_key.decode()
        found = None if managed.exists(arn) else _find(snapshot, Policy, account, arn.rpartition("/")[2])
        if not managed.exists(arn) and (found is None or found.arn != arn):
            report.broken(f"policy {arn} is attached to something of account {account}, but is not there")


def _find(snapshot: Snapshot, kind: type[R], account: str, name: str) -> R | None:
    """A record; None where there is none that can be read, which is told where its turn comes."""
    try:
        return state.find(snapshot.tx, kind, account, name)
    except msgspec.MsgspecError:
        return None


def _check_record(snapshot: Snapshot, report: Report, account: str, record: Any) -> None:
    if isinstance(record, User):
        for id in record.keys:
            raw = snapshot.get(pack("iam", "", "key", id))
            held = report.decode(f"access key {id}", raw, _key) if raw is not None else None
            if held is None or (held.account, held.user) != (account, record.name):
                report.broken(f"user {record.arn} has access key {id}, which is not there or somebody else's")
        for name in record.groups:
            group = _find(snapshot, Group, account, name)
            if group is None or record.name not in group.members:
                report.broken(f"user {record.arn} is in group {name}, which does not know of it")
    elif isinstance(record, Group):
        for name in record.members:
            user = _find(snapshot, User, account, name)
            if user is None or record.name not in user.groups:
                report.broken(f"group {record.arn} has member {name}, who does not know of it")
    elif isinstance(record, Profile):
        if record.role is not None and _find(snapshot, Role, account, record.role) is None:
            report.broken(f"instance profile {record.arn} has role {record.role}, which is not there")
    elif isinstance(record, Policy) and record.default not in record.versions:
        report.broken(f"policy {record.arn} has no version {record.default}, its default")


def _check_key(snapshot: Snapshot, report: Report, record: AccessKey) -> None:
    user = _find(snapshot, User, record.account, record.user or "")
    if user is None or record.id not in user.keys:
        report.broken(
            f"access key {record.id} is of user {record.user} of account {record.account}, who does not have it"
        )
