"""`freehold check` finds each way in which a store can be wrong: a sound directory, one row or file changed at a time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from freehold.kit.tuples import after, pack, unpack
from freehold.node import checks
from freehold.store.base import StoreBusy, StoreUnusable
from freehold.store.sqlite import SqliteStore
from freehold.work.blobs import Blob
from tests.node.furnished import furnish

Change = Callable[["Broken"], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a server that did a little of everything and was killed."""
    directory = tmp_path_factory.mktemp("check") / "data"
    furnish(directory)
    yield directory


class Broken:
    """A copy in which something is changed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = apsw.Connection(str(directory / "store.db"))

    def rows(self, *parts: str | None, raw: bytes = b"") -> list[tuple[bytes, bytes]]:
        prefix = pack(*parts) + raw
        return list(self.database.execute("SELECT k, v FROM kv WHERE k>=? AND k<? ORDER BY k", (prefix, after(prefix))))

    def first(self, *parts: str | None, raw: bytes = b"") -> tuple[bytes, bytes]:
        return self.rows(*parts, raw=raw)[0]

    def put(self, key: bytes, value: bytes) -> None:
        self.database.execute("INSERT INTO kv VALUES (?,?) ON CONFLICT(k) DO UPDATE SET v=excluded.v", (key, value))

    def drop(self, *parts: str | None, raw: bytes = b"") -> bytes:
        key, _ = self.first(*parts, raw=raw)
        self.delete(key)
        return key

    def delete(self, key: bytes) -> None:
        self.database.execute("DELETE FROM kv WHERE k=?", (key,))

    def clear(self, *parts: str | None) -> None:
        prefix = pack(*parts)
        self.database.execute("DELETE FROM kv WHERE k>=? AND k<?", (prefix, after(prefix)))

    def garble(self, *parts: str | None) -> None:
        key, _ = self.first(*parts)
        self.put(key, b"\xc1 no layout of ours")

    def queue(self, kind: bytes, name: str = "standard") -> bytes:
        """The prefix of one kind of rows of a queue."""
        _, raw = self.first("sqs", ACCOUNT, REGION, "q", name)
        return pack("sqs", None, "g", msgspec.msgpack.decode(raw)["generation"]) + kind

    def of_queue(self, kind: bytes, name: str = "standard") -> bytes:
        prefix = self.queue(kind, name)
        query = "SELECT k FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT 1"
        ((key,),) = self.database.execute(query, (prefix, after(prefix))).fetchall()
        assert isinstance(key, bytes)
        self.database.execute("DELETE FROM kv WHERE k=?", (key,))
        return key

    def claim(self) -> bytes:
        """The claim of a blob that a row names: what was released stays claimed until it is swept."""
        released = {name for _, names in self.rows("blob", "gone") for name in msgspec.msgpack.decode(names)}
        return next(key for key, _ in self.rows("blob", "claim") if unpack(key)[2] not in released)

    def blob(self) -> str:
        return str(unpack(self.claim())[2])

    def file(self) -> Path:
        """The file of a blob that a row names."""
        name = self.blob()
        return self.directory / "blobs" / name[:2] / name[2:3] / name


ACCOUNT, REGION = "000000000000", "us-east-1"


def copy_of(sound: Path, tmp_path: Path) -> Broken:
    shutil.copytree(sound, tmp_path / "data", ignore=shutil.ignore_patterns("scratch", "functions"))
    return Broken(tmp_path / "data")


def found(directory: Path) -> list[str]:
    lines: list[str] = []
    count = checks.check_directory(directory, lines.append)
    broken = [line for line in lines if line.startswith("broken: ")]
    assert count == len(broken)
    return broken


def truncate(broken: Broken) -> None:
    path = broken.file()
    path.write_bytes(path.read_bytes()[:-1])


def claim_for_nobody(broken: Broken) -> None:
    broken.put(pack("blob", "claim", "0" * 24), b"")


def release_what_is_named(broken: Broken) -> None:
    broken.put(pack("blob", "gone", "x"), msgspec.msgpack.encode([broken.blob()]))


def name_twice(broken: Broken) -> None:
    name = broken.blob()
    _, raw = broken.first("lambda", "package")
    package = msgspec.msgpack.decode(raw)
    package["blob"] = msgspec.msgpack.decode(msgspec.msgpack.encode(Blob(name, 1)))
    other = "f" * 64
    broken.put(pack("lambda", "package", other), msgspec.msgpack.encode(package))


def move_timer(broken: Broken) -> None:
    key, value = broken.first("timer", "by")
    row = msgspec.msgpack.decode(value)
    broken.put(key, msgspec.msgpack.encode([row[0] + 1, *row[1:]]))


def outbox_without_payload(broken: Broken) -> None:
    kind = "sns.http"
    broken.put(pack("outbox", "q", kind, 1, "id"), msgspec.msgpack.encode([None, 1]))


def outbox_without_head(broken: Broken) -> None:
    broken.put(pack("outbox", "n", "sns.http", b"group"), (3).to_bytes(8, "big"))


def outbox_with_gap(broken: Broken) -> None:
    broken.put(pack("outbox", "n", "sns.http", b"group"), (2).to_bytes(8, "big"))
    broken.put(pack("outbox", "q", "sns.http", 1, "id"), msgspec.msgpack.encode([b"x", 1, 0, b"group", 0]))
    broken.put(pack("outbox", "g", "sns.http", b"group", 2), msgspec.msgpack.encode(["id2", b"x", 1]))


def age_a_row_of_an_index(broken: Broken) -> None:
    key, value = broken.first("dynamodb", ACCOUNT, REGION, "x")
    broken.put(key, value.replace(b'"S"', b'"N"', 1))


def log_total(broken: Broken) -> None:
    key, value = broken.first("logs", ACCOUNT, REGION, "b")
    size, longest = msgspec.msgpack.decode(value)
    broken.put(key, msgspec.msgpack.encode([size + 1, longest]))


def package_uses(broken: Broken) -> None:
    key, value = broken.first("lambda", "package")
    package = msgspec.msgpack.decode(value)
    package["uses"] += 1
    broken.put(key, msgspec.msgpack.encode(package))


CASES: dict[str, tuple[Change, str]] = {
    "bytes of a blob": (truncate, "bytes, but its row says"),
    "file of a blob": (lambda b: b.file().unlink(), "its file is missing"),
    "claim of a blob": (lambda b: b.delete(b.claim()), "not claimed: a sweep would remove it"),
    "claim without a row": (claim_for_nobody, "is claimed, but no row names it"),
    "release of a named blob": (release_what_is_named, "is released, but a row still names it"),
    "blob of two rows": (name_twice, "which another row names too"),
    "due row of a timer": (lambda b: b.drop("timer", "due"), "does not stand in the order of due times"),
    "moved timer": (move_timer, "does not stand in the order of due times"),
    "outbox payload": (outbox_without_payload, "has no payload"),
    "outbox group without head": (outbox_without_head, "no head"),
    "outbox group with a gap": (outbox_with_gap, "goes on at 1"),
    "row of a timer": (lambda b: b.garble("timer", "by"), "cannot be read"),
    "total of a queue": (lambda b: b.of_queue(b"n"), "counts messages: 0"),
    "body of a message": (lambda b: b.of_queue(b"b"), "rows of the index"),
    "state of a message": (lambda b: b.of_queue(b"s"), "is not in the index"),
    "index row of a message": (lambda b: b.of_queue(b"i"), "cannot be received"),
    "bucket of counts": (lambda b: b.of_queue(b"c"), "buckets of counts"),
    "expiry of messages": (lambda b: b.drop("timer", "by", "sqs", raw=b"\x01\x02expire"), "lets them expire"),
    "member of a FIFO group": (lambda b: b.of_queue(b"m", "ordered.fifo"), "is no member of its group"),
    "FIFO group": (lambda b: b.of_queue(b"g", "ordered.fifo"), "no place in the queue"),
    "index row of a FIFO group": (lambda b: b.of_queue(b"i", "ordered.fifo"), "nothing of it can be received"),
    "state in a FIFO group": (lambda b: b.of_queue(b"s", "ordered.fifo"), "in flight until"),
    "queue of messages": (lambda b: b.drop("sqs", ACCOUNT, REGION, "q", "standard"), "belong to no queue"),
    "item of a table": (lambda b: b.clear("dynamodb", ACCOUNT, REGION, "i"), "holds rows: "),
    "row of an index": (lambda b: b.drop("dynamodb", ACCOUNT, REGION, "x"), "lacks an item"),
    "old row of an index": (age_a_row_of_an_index, "has an older or another form"),
    "version of a table": (lambda b: b.drop("dynamodb", ACCOUNT, REGION, "v"), "has no version row"),
    "record of a table": (lambda b: b.drop("dynamodb", ACCOUNT, REGION, "t"), "belong to no table"),
    "expiry of a token": (lambda b: b.drop("dynamodb", None, "e"), "will never be forgotten"),
    "record of a bucket": (lambda b: b.drop("s3", "b"), "belong to no bucket"),
    "bytes aside": (lambda b: b.drop("s3", "d"), "has lost its bytes"),
    "object": (lambda b: b.garble("s3", "o"), "cannot be read"),
    "null version": (lambda b: b.drop("s3", "n"), "is the null version"),
    "upload": (lambda b: b.drop("s3", "u"), "that upload has ended"),
    "events of a chunk": (lambda b: b.drop("logs", ACCOUNT, REGION, "d"), "the events are missing"),
    "entry of a chunk": (lambda b: b.drop("logs", ACCOUNT, REGION, "t"), "has chunks"),
    "stream of events": (lambda b: b.drop("logs", ACCOUNT, REGION, "s"), "the stream of these events"),
    "bytes of a log group": (log_total, "counts bytes"),
    "retention of a log group": (lambda b: b.drop("timer", "by", "logs"), "nothing removes them"),
    "package": (lambda b: b.drop("lambda", "package"), "is used, but is not there"),
    "uses of a package": (package_uses, "counts uses"),
    "somebody's row": (lambda b: b.put(pack("stranger"), b""), "no service of this version owns"),
}  # fmt: skip


def test_what_a_server_leaves_is_sound(sound: Path) -> None:
    assert found(sound) == []
    assert found(sound) == [], "a check changes nothing"


@pytest.mark.parametrize("name", CASES)
def test_each_broken_invariant_is_one_line(sound: Path, tmp_path: Path, name: str) -> None:
    change, expected = CASES[name]
    broken = copy_of(sound, tmp_path)
    change(broken)
    broken.database.close()
    lines = found(broken.directory)
    assert any(expected in line for line in lines), lines
    assert all("\n" not in line for line in lines)


def test_damaged_pages_are_found(sound: Path, tmp_path: Path) -> None:
    broken = copy_of(sound, tmp_path)
    broken.first("sqs")  # opens the log
    broken.database.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    broken.database.close()
    file = broken.directory / "store.db"
    data = bytearray(file.read_bytes())
    for at in range(3 * 8192, min(len(data), 20 * 8192), 8192):
        data[at : at + 64] = bytes(64)
    file.write_bytes(data)
    assert any("broken: store:" in line for line in found(broken.directory))


def test_a_directory_in_use_or_of_somebody_else_is_refused(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "used")
    with pytest.raises(StoreBusy):
        checks.check_directory(tmp_path / "used")
    asyncio.run(store.close())
    with pytest.raises(StoreUnusable):
        checks.check_directory(tmp_path)
    assert not (tmp_path / "store.lock").exists()


def test_the_command_ends_with_1_where_something_is_broken(sound: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    assert checks.command(sound, lines.append) == 0
    broken = copy_of(sound, tmp_path)
    broken.drop("s3", "d")
    broken.database.close()
    assert checks.command(broken.directory, lines.append) == 1
