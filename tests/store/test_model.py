"""Any sequence of transactions does to a store what it does to a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.store.base import ReadTx, Store, Tx
from freehold.store.limits import MAX_SCAN
from freehold.store.postgres import PostgresStore
from tests.store.conftest import Open

KEYS = [b"", b"\0", b"a", b"a\0", b"aa", b"ab", b"b", b"c", b"\x7f", b"\x80", b"\xff", b"\xff\xff"]
keys = st.sampled_from(KEYS)
bounds = st.sampled_from([*KEYS, b"\xff" * 9])
operations = st.one_of(
    st.tuples(st.just("put"), keys, st.sampled_from([b"", b"1", b"22", b"333333"])),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("clear"), bounds, bounds),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("get_many"), st.lists(keys, max_size=5)),
    st.tuples(st.just("scan"), bounds, bounds, st.integers(0, 9), st.integers(1, 40), st.booleans()),
)
transactions = st.lists(st.tuples(st.booleans(), st.lists(operations, max_size=12)), max_size=6)


class Model:
    """What the store should hold and answer."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = dict(rows)

    def answer(self, operation: tuple[Any, ...]) -> Any:
        match operation:
            case "put", key, value:
                self.rows[key] = value
            case "delete", key:
                self.rows.pop(key, None)
            case "clear", start, end:
                gone = [key for key in self.rows if start <= key < end]
                for key in gone:
                    del self.rows[key]
                return len(gone)
            case "get", key:
                return self.rows.get(key)
            case "get_many", some:
                return [self.rows.get(key) for key in some]
            case "scan", start, end, limit, max_bytes, reverse:
                return self.scan(start, end, limit, max_bytes, reverse)

    def scan(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for key in sorted((key for key in self.rows if start <= key < end), reverse=reverse):
            if len(found) == limit or sum(len(k) + len(v) for k, v in found) >= max_bytes:
                break
            found.append((key, self.rows[key]))
        return found


def answer(tx: Tx, operation: tuple[Any, ...]) -> Any:
    match operation:
        case "scan", start, end, limit, max_bytes, reverse:
            return tx.scan(start, end, limit=limit, max_bytes=max_bytes, reverse=reverse)
        case name, *arguments:
            return getattr(tx, name)(*arguments)


@pytest.fixture
def drive(open_store: Open, tmp_path: Path) -> Iterator[tuple[asyncio.AbstractEventLoop, Store]]:
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(open_store(tmp_path))
    yield loop, store
    loop.run_until_complete(store.close())
    loop.close()


Drive = tuple[asyncio.AbstractEventLoop, Store]


def everything(tx: ReadTx) -> list[tuple[bytes, bytes]]:
    return tx.scan(b"", b"\xff" * 9, limit=MAX_SCAN)


def empty(tx: Tx) -> None:
    tx.clear(b"", b"\xff" * 9)


class Undo(Exception):
    pass


def body_of(operations: list[tuple[Any, ...]], fails: bool) -> Callable[[Tx], list[Any]]:
    def body(tx: Tx) -> list[Any]:
        answers = [answer(tx, operation) for operation in operations]
        if fails:
            raise Undo(answers)
        return answers

    return body


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=transactions, together=st.booleans())
def test_a_store_is_a_dictionary(drive: Drive, history: list[tuple[bool, list[Any]]], together: bool) -> None:
    loop, store = drive
    loop.run_until_complete(check(store, history, together))


async def check(store: Store, history: list[tuple[bool, list[Any]]], together: bool) -> None:
    await store.transact(empty)
    expected: list[list[Any]] = []
    rows: dict[bytes, bytes] = {}
    for fails, operations in history:
        model = Model(rows)
        expected.append([model.answer(operation) for operation in operations])
        if not fails:
            rows = model.rows
    calls = [store.transact(body_of(operations, fails)) for fails, operations in history]
    if together and not isinstance(store, PostgresStore):  # in one process, transactions take place in order of arrival
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    else:
        outcomes = [(await asyncio.gather(call, return_exceptions=True))[0] for call in calls]
    assert [outcome.args[0] if isinstance(outcome, Undo) else outcome for outcome in outcomes] == expected
    assert await store.read(everything) == await store.read_many(everything) == sorted(rows.items())
