"""DynamoDB's invariants: items lie where their keys say, indexes hold exactly the items they should."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.services.dynamodb import catalog, rows
from freehold.services.dynamodb.idempotency import TOKEN_MS, Token
from freehold.services.dynamodb.jobs import Job
from freehold.services.dynamodb.model import IndexSchema, Schema, Table, version_key
from freehold.services.dynamodb.writes import index_row
from freehold.work.checking import Report, Snapshot, shown

_table = msgspec.msgpack.Decoder(Table).decode
_job = msgspec.msgpack.Decoder(Job).decode
_token = msgspec.msgpack.Decoder(Token).decode


def check(snapshot: Snapshot, report: Report) -> None:
    """Tables one after the other, then what belongs to none."""
    for key, value in snapshot.below("dynamodb", None, "j"):
        job = report.decode(shown(key), value, _job)
        if job is not None and job.prefix:
            report.notes.put("prefix", job.prefix)
        elif job is not None:
            report.notes.put("filling", job.index_id.encode())
    spaces = list(snapshot.spaces("dynamodb"))
    for space in spaces:
        for key, value in snapshot.below("dynamodb", *space, "t"):
            table = report.decode(shown(key), value, _table)
            if table is not None:
                _check_table(snapshot, report, table)
    for space in spaces:
        for kind in snapshot.next_parts("dynamodb", *space):
            _kind(snapshot, report, space, str(kind))


def _check_table(snapshot: Snapshot, report: Report, table: Table) -> None:
    schema = (
        catalog.find(snapshot.tx, (table.account, table.region, table.name))
        if snapshot.get(version_key(table.account, table.region, table.name))
        else None
    )
    if schema is None:
        report.broken(f"table {table.arn} has no version row")
        return
    report.notes.put("prefix", schema.prefix)
    expected = [0] * len(schema.indexes)
    for key, row in snapshot.under(schema.prefix):
        tail = key[len(schema.prefix) :]
        item = report.decode(f"an item of {table.arn}", row, rows.decode)
        if item is None:
            continue
        if any(name not in item for name in schema.key_names) or schema.tail(item) != tail:
            report.broken(f"an item of {table.arn} does not lie where its key says: {_brief(schema, row)}")
            continue
        for at, index in enumerate(schema.indexes):
            expected[at] += _indexed(snapshot, report, schema, index, tail, row)
    for at, index in enumerate(schema.indexes):
        report.notes.put("prefix", index.prefix)
        _index(snapshot, report, schema, index, expected[at])


def _indexed(snapshot: Snapshot, report: Report, schema: Schema, index: IndexSchema, tail: bytes, row: bytes) -> int:
    """Is an item in an index as it should be? Answers 1 where it should be there."""
    item = rows.decode(row)
    key = index.row_key(item, tail)
    if key is None:
        return 0
    found = snapshot.get(key)
    if found is None:
        if index.index.status == "ACTIVE":
            report.broken(f"index {index.name} of {schema.table.arn} lacks an item: {_brief(schema, row)}")
            return 0
        return 0
    if found != index_row(index, item, row):
        report.broken(f"index {index.name} of {schema.table.arn} has an older or another form of {_brief(schema, row)}")
    return 1


def _index(snapshot: Snapshot, report: Report, schema: Schema, index: IndexSchema, expected: int) -> None:
    held = 0
    for _, row in snapshot.under(index.prefix):
        held += 1
        report.decode(f"a row of index {index.name} of {schema.table.arn}", row, rows.decode)
    report.same(f"index {index.name} of {schema.table.arn} holds rows", held, expected)
    if index.index.status != "ACTIVE" and report.notes.get("filling", index.index.id.encode()) is None:
        report.broken(f"index {index.name} of {schema.table.arn} is {index.index.status}, but nothing fills it")


def _brief(schema: Schema, row: bytes) -> str:
    """An item's key for people."""
    item = rows.decode(row)
    return str({name: item.get(name) for name in schema.key_names})[:200]


def _kind(snapshot: Snapshot, report: Report, space: tuple[str, str], kind: str) -> None:
    """Rows of one kind that are not of the tables just checked."""
    if kind in ("i", "x"):
        for owner in snapshot.next_parts("dynamodb", *space, kind, raw=True):
            if report.notes.get("prefix", pack("dynamodb", *space, kind, owner)) is None:
                report.broken(
                    f"rows of {'/'.join(space)}/{kind}/{owner!r} belong to no table, and nothing removes them"
                )
    elif kind == "v":
        for key, _ in snapshot.below("dynamodb", *space, "v"):
            if snapshot.get(pack("dynamodb", *space, "t", unpack(key)[4])) is None:
                report.broken(f"{shown(key)} is the version of a table that is not there")
    elif kind == "k":
        for key, value in snapshot.below("dynamodb", *space, "k"):
            token = report.decode(shown(key), value, _token)
            name = unpack(key)[4]
            if token and snapshot.get(pack("dynamodb", None, "e", token.at_ms + TOKEN_MS, *space, name)) is None:
                report.broken(f"client request token {name!r} of {'/'.join(space)} will never be forgotten")
    elif kind != "t":
        report.broken(f"{'/'.join(space)} has rows of unknown kind {kind}")
