"""An import is all or nothing, wherever it is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.node.accounts import arriving
from freehold.node.accounts.arriving import arrive, recover_all
from freehold.node.accounts.leaving import leave
from freehold.ports.accounts import AccountError
from freehold.store.base import ReadTx, Store, StoreError, Tx
from freehold.store.memory import MemoryStore
from freehold.work.advance import record
from freehold.work.blobs import Blobs
from freehold.work.timers import TimerRow
from tests.support import manual_clock

ACCOUNT = "111111111111"
NOW = 1_767_225_600_000
Rows = dict[bytes, bytes]


class Mortal:
    """A store whose transactions fail from the `last`-th on: for ever, or that one alone."""

    def __init__(self, store: MemoryStore, last: int, *, dies: bool) -> None:
        self._store, self._left, self._dies = store, last, dies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def transact(self, body: Callable[[Tx], Any], *, lane: bytes | None = None) -> Any:
        self._left -= 1
        if self._left == 0 or (self._left < 0 and self._dies):
            raise StoreError("cut off")
        return await self._store.transact(body)


def account_rows() -> Rows:
    """Rows of all kinds of arrival: many plain ones, and timers, which come last."""
    rows = {pack("trace", "r", ACCOUNT, "us-east-1", number, "root"): b"x" * 10 for number in range(900)}
    for number in range(5):
        name = pack("expire", ACCOUNT, "us-east-1", f"queue-{number}")
        rows[pack("timer", "by", "sqs", name)] = msgspec.msgpack.encode(TimerRow(NOW + number))
        rows[pack("timer", "due", NOW + number, "sqs", name)] = b""
    return rows


def made(rows: Rows) -> MemoryStore:
    store = MemoryStore(Ids(1))

    def body(tx: Tx) -> None:
        record(tx, NOW)
        for key, value in rows.items():
            tx.put(key, value)

    asyncio.run(store.transact(body))
    return store


async def dump(store: Store) -> Rows:
    rows: Rows = {}
    start = b""
    while page := await store.read(partial(_page, start=start)):
        rows.update(page)
        start = page[-1][0] + b"\x00"
    return rows


def _page(tx: ReadTx, start: bytes) -> list[tuple[bytes, bytes]]:
    return tx.scan(start, b"\xff" * 8)


def blobs(store: Store) -> Blobs:
    return Blobs(store, manual_clock(), Ids(1), None)


async def exported(store: Store, scratch: Path) -> bytes:
    return b"".join([piece async for piece in leave(store, blobs(store), ACCOUNT, scratch)])


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1_000):
        yield content[at : at + 1_000]


THEIRS = {pack("ssm", "222222222222", "us-east-1", "p", "/a"): b"theirs", pack("trace", "r", "222222222222", 1): b""}


def test_what_leaves_arrives(tmp_path: Path) -> None:
    content = asyncio.run(exported(made(account_rows() | THEIRS), tmp_path))
    target = made(THEIRS)
    before = asyncio.run(dump(target))
    facts = asyncio.run(arrive(target, blobs(target), pieces(content), tmp_path, now_ms=NOW))
    assert facts == {"account": ACCOUNT, "rows": 910, "blobs": 0}
    assert asyncio.run(dump(target)) == before | account_rows()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dies", [False, True], ids=["one transaction fails", "the process is killed"])
def test_an_import_that_is_cut_off_anywhere_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    monkeypatch.setattr(arriving, "_ROWS", 300)
    content = asyncio.run(exported(made(account_rows()), tmp_path))
    outcomes = []
    for last in range(1, 40):
        target = made(THEIRS)
        before = asyncio.run(dump(target))
        mortal: Any = Mortal(target, last, dies=dies)
        try:
            asyncio.run(arrive(mortal, blobs(target), pieces(content), tmp_path, now_ms=NOW))
            refused = False
        except (AccountError, StoreError):
            refused = True
        asyncio.run(recover_all(target, blobs(target)))  # the next start
        after = asyncio.run(dump(target))
        assert after in (before, before | account_rows()), last
        assert refused or after != before
        outcomes.append((refused, after != before))
        if not refused:
            break
    assert not outcomes[-1][0], "it came through"
    assert (True, False) in outcomes, "taken back"
    assert (True, True) in outcomes, "finished at the next start"


def test_two_imports_of_an_account_do_not_mix(tmp_path: Path) -> None:
    content = asyncio.run(exported(made(account_rows()), tmp_path))
    target = made({})
    arriving_now = {ACCOUNT}
    with pytest.raises(AccountError, match="is being imported already"):
        asyncio.run(arrive(target, blobs(target), pieces(content), tmp_path, now_ms=NOW, arriving=arriving_now))


def test_rows_of_nobody_and_of_others_are_refused(tmp_path: Path) -> None:
    """A file is made by hand that claims to be of an account, and holds what is not."""
    from freehold.node.accounts.records import Writer

    for key in (pack("iam", "", "sessions"), pack("ssm", "222222222222", "us-east-1", "p", "/a"), b"\x02node\x00x"):
        writer = Writer({"account": ACCOUNT, "now_ms": NOW})
        writer.add("row", pack("trace", "r", ACCOUNT, "us-east-1", 1, "root"), b"")
        writer.add("row", key, b"stolen")
        writer.end()
        target = made({})
        with pytest.raises(AccountError, match=f"is not a row of account {ACCOUNT}"):
            asyncio.run(arrive(target, blobs(target), pieces(writer.take()), tmp_path, now_ms=NOW))
        assert pack("iam", "", "sessions") not in asyncio.run(dump(target))


def test_names_of_blobs_lead_nowhere(tmp_path: Path) -> None:
    from freehold.node.accounts.records import Writer

    writer = Writer({"account": ACCOUNT, "now_ms": NOW})
    writer.add("blob", "../../../../tmp/outside000", 1)
    writer.end()
    target = made({})
    with pytest.raises(AccountError, match="names a blob as Freehold does not"):
        asyncio.run(arrive(target, blobs(target), pieces(writer.take()), tmp_path, now_ms=NOW))
