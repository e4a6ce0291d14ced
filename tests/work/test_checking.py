"""What checks work with: a snapshot in pages, notes on disk, a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest

from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN
from freehold.work.blobs import Blob
from freehold.work.checking import MOST_LINES, Notebook, Report, Snapshot, run, shown
from tests.support import memory_store

T = TypeVar("T")


def over(rows: dict[bytes, bytes], body: Callable[[Snapshot], T]) -> T:
    """What `body` says of a store with these rows."""

    async def main() -> T:
        store = memory_store()
        keys = list(rows)
        for at in range(0, len(keys), 1_000):

            def put(tx: Tx, some: list[bytes] = keys[at : at + 1_000]) -> None:
                for key in some:
                    tx.put(key, rows[key])

            await store.transact(put)

        def look(tx: ReadTx) -> T:
            return body(Snapshot(tx))

        return await store.read_many(look)

    return asyncio.run(main())


def test_rows_are_read_to_the_end_however_many_there_are() -> None:
    rows = {pack("a", number): b"" for number in range(2 * MAX_SCAN + 5)} | {pack("b"): b""}
    assert over(rows, lambda snapshot: sum(1 for _ in snapshot.below("a"))) == 2 * MAX_SCAN + 5


@pytest.mark.parametrize(
    "parts", [("x", "y", "z\x00z"), (b"\x00", b"\x00\xff", b"a"), (-70_000, -1, 0, 1, 255, 256, 1 << 40)]
)
def test_the_next_elements_are_found_whatever_follows_them(parts: tuple[str | bytes | int, ...]) -> None:
    rows = {pack("a", part) + tail: b"" for part in parts for tail in (b"", b"\x00raw", b"\xff\xff")}
    assert over(rows, lambda snapshot: list(snapshot.next_parts("a"))) == list(parts)
    assert over(rows, lambda snapshot: list(snapshot.next_parts())) == ["a"]


def test_bytes_behind_an_element_may_begin_with_0xff_where_they_are_said_to_be_raw() -> None:
    """The first item of a table began so by its hash, and the check of DynamoDB failed (found by ./dev crash --power)."""
    rows = {pack("a", part) + b"\xff\x00\x01raw": b"" for part in ("x", "y")}
    assert over(rows, lambda snapshot: list(snapshot.next_parts("a", raw=True))) == ["x", "y"]


def test_spaces_are_accounts_and_regions_and_nothing_else() -> None:
    rows = {pack("s", None, "g", 1): b"", pack("s", "1", "east", "q"): b"", pack("s", "1", "west"): b""}
    rows |= {pack("s", "2", "east", "q", str(number)): b"" for number in range(5)}
    assert over(rows, lambda snapshot: list(snapshot.spaces("s"))) == [("1", "east"), ("1", "west"), ("2", "east")]


def test_notes_are_kept_once_counted_and_listed_in_order() -> None:
    notes = Notebook()
    assert notes.put("kind", b"k", 7) and not notes.put("kind", b"k", 8)
    assert notes.get("kind", b"k") == 7 and notes.get("other", b"k") is None
    for number in range(1_200):
        notes.add("count", number.to_bytes(2, "big"))
        notes.add("count", number.to_bytes(2, "big"), 2)
    assert list(notes.all("count")) == [(number.to_bytes(2, "big"), 3) for number in range(1_200)]
    notes.keep_only("kind")
    assert list(notes.all("count")) == [] and notes.get("kind", b"k") == 7
    notes.close()


def test_a_report_says_each_line_once_and_counts_what_are_too_many() -> None:
    lines: list[str] = []
    report = Report(lines.append)

    def check(snapshot: Snapshot, report: Report) -> None:
        for number in range(MOST_LINES + 10):
            report.same(f"thing {number}", 1, 1)
            report.same(f"thing {number}", 1, 2)

    over({}, lambda snapshot: run(snapshot, report, [("part", check)]))
    assert report.total == MOST_LINES + 10
    assert len(lines) == MOST_LINES + 1
    assert lines[0] == "broken: part: thing 0: 1, but there are 2"


def test_what_cannot_be_decoded_is_broken_and_the_check_goes_on() -> None:
    lines: list[str] = []
    report = Report(lines.append)
    assert report.decode("a row", b"\xc1", msgspec.msgpack.Decoder(int).decode) is None
    assert report.decode("a row", msgspec.msgpack.encode(5), msgspec.msgpack.Decoder(int).decode) == 5
    assert len(lines) == 1 and "a row cannot be read" in lines[0]


def test_blobs_are_named_once_and_hold_what_they_say() -> None:
    lines: list[str] = []
    report = Report(lines.append)
    report.names("one", Blob("a", 100_000))
    report.names("parts", Blob("whole", 6, None, (Blob("b", 3), Blob("c", 3, b"abc"))))
    assert lines == []
    report.names("two", Blob("a", 100_000))
    report.names("short", Blob("d", 4, b"abc"))
    assert ["another row names too" in lines[0], "3 bytes inline, but says 4" in lines[1]] == [True, True]


def test_keys_are_shown_however_they_were_made() -> None:
    assert shown(pack("a", 1)) == "a/1"
    assert shown(b"\x02no end") == b"\x02no end".hex()
