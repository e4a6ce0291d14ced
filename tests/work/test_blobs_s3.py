"""Blobs in an S3-compatible store: what goes wrong on the way, whose place it is, what other nodes read."""

import asyncio
import gc
import sys
import time

import pytest

from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span
from freehold.node.config import ConfigError
from freehold.node.places import backend_of
from freehold.store.memory import MemoryStore
from freehold.work.blobs import Blobs, BlobsUnreachable, BlobsUnusable, objects, releases, s3
from freehold.work.blobs.files import Files
from freehold.work.blobs.objects import Objects
from freehold.work.blobs.place import Bucket, Directory, parse
from freehold.work.blobs.s3 import S3, Keys
from freehold.work.duties import Duties
from freehold.work.members import Members
from freehold.work.tasks import Tasks
from tests.support import manual_clock, memory_store
from tests.work.places import freehold_s3, place, s3_backend, seaweed
from tests.work.test_blobs import big, drain, pour

__all__ = ["freehold_s3", "place", "seaweed"]


class Flaky(S3):
    """Its way to the store fails as `fails(method, url, attempt)` says: an answer, a reason, or None."""

    def __init__(self, bucket, secret="test"):
        async def keys(expired):
            return Keys("000000000000", secret, None)

        super().__init__(bucket, keys, manual_clock(), Ids(1))
        self.asked = []
        self.fails = lambda method, url, attempt: None

    async def _once(self, method, url, headers, body):
        self.asked.append((method, url))
        attempt = self.asked.count((method, url))
        trouble = self.fails(method, url, attempt)
        if trouble == "answer lost":
            await super()._once(method, url, headers, body)
            return "ReadTimeout"
        return trouble if trouble is not None else await super()._once(method, url, headers, body)


@pytest.fixture
def flaky(freehold_s3, tmp_path, monkeypatch):
    monkeypatch.setattr(s3, "FIRST_S", 0.001)
    bucket = Bucket("blobs", f"flaky/{tmp_path.name}", freehold_s3, "us-east-1", virtual=False)
    return Flaky(bucket), bucket


async def open_on(backend, tmp_path, store=None, **options):
    blobs = Blobs(store or memory_store(), manual_clock(), Ids(1), tmp_path / "own", backend=backend, **options)
    await blobs.start()
    return blobs


@pytest.mark.parametrize("kind", ["no answer", "503", "429", "500"])
def test_what_fails_on_the_way_is_tried_again(flaky, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    way, bucket = flaky
    trouble = (
        "ConnectError" if kind == "no answer" else s3.Answer(int(kind), {}, b"<Error><Code>SlowDown</Code></Error>")
    )

    async def main():
        way.fails = lambda method, url, attempt: trouble if attempt <= 2 else None
        blobs = await open_on(Objects(bucket, way), tmp_path)
        data = big(12_000_000)
        blob = await blobs.write(pour(*(data[at : at + 1_000_000] for at in range(0, len(data), 1_000_000))))
        assert await drain(await blobs.read(blob)) == data
        parts = [url for method, url in way.asked if method == "PUT" and "partNumber" in url]
        assert len(parts) == 9 and len(set(parts)) == 3
        await blobs.close()

    asyncio.run(main())


def test_an_upload_whose_completion_was_not_heard_of_is_complete(flaky, tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    way, bucket = flaky

    async def main():
        blobs = await open_on(Objects(bucket, way), tmp_path)

        def fails(method, url, attempt):
            return "answer lost" if method == "POST" and "uploadId" in url and attempt == 1 else None

        way.fails = fails
        data = big(6_000_000)
        blob = await blobs.write(pour(data[:3_000_000], data[3_000_000:]))
        assert await drain(await blobs.read(blob)) == data
        await blobs.close()

    asyncio.run(main())


def test_an_upload_that_cannot_be_completed_is_an_error_and_leaves_nothing(flaky, tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    way, bucket = flaky

    async def main():
        blobs = await open_on(Objects(bucket, way), tmp_path)
        broken = s3.Answer(200, {}, b"<Error><Code>InternalError</Code></Error>")
        way.fails = lambda method, url, attempt: broken if method == "POST" and "uploadId" in url else None
        with pytest.raises(BlobsUnreachable, match="InternalError"):
            await blobs.write(pour(big(3_000_000), big(3_000_000)))
        way.fails = lambda method, url, attempt: None
        assert [page async for page in blobs._backend.sizes()] == [[]]
        assert b"<Upload>" not in (await way.request("GET", "", {"uploads": ""})).body
        await blobs.close()

    asyncio.run(main())


def test_a_store_that_stays_away_is_an_error_that_names_it_and_no_secret(flaky, tmp_path):
    way, bucket = flaky

    async def main():
        blobs = await open_on(Objects(bucket, way), tmp_path)
        way.fails = lambda method, url, attempt: "ConnectTimeout"
        way.asked.clear()
        with pytest.raises(BlobsUnreachable) as raised:
            await blobs.write(big(100_000))
        assert "ConnectTimeout" in str(raised.value) and bucket.endpoint in str(raised.value)
        assert "000000000000" not in str(raised.value)
        assert len([url for method, url in way.asked if method == "PUT"]) == s3.TRIES
        await blobs.close()

    asyncio.run(main())


def test_a_bucket_that_is_missing_or_refuses_is_told_at_the_start(freehold_s3, seaweed, tmp_path):
    async def main():
        missing = Flaky(Bucket("nowhere", "", freehold_s3, "us-east-1", virtual=False))
        with pytest.raises(BlobsUnusable, match="NoSuchBucket"):
            await open_on(Objects(missing._bucket, missing), tmp_path)
        refusing = s3_backend(
            Bucket("blobs", "", seaweed.url, "us-east-1", virtual=False), "AKSEAWEEDFREEHOLD", "wrong"
        )
        with pytest.raises(BlobsUnusable, match="SignatureDoesNotMatch") as raised:
            await open_on(refusing, tmp_path)
        assert "wrong" not in str(raised.value)

    asyncio.run(main())


def test_a_place_belongs_to_one_store(place, tmp_path):
    async def main():
        first, second = memory_store(1), memory_store(2)
        options = {"backend": place.backend()} if place.kind == "files" else {}
        kept = Blobs(first, manual_clock(), Ids(1), tmp_path, **options) if options else await place.open(first)
        if options:
            await kept.start()
        blob = await kept.write(big(100_000))
        await kept.close()
        stranger = Blobs(second, manual_clock(), Ids(2), tmp_path / "x", backend=place.backend())
        with pytest.raises(BlobsUnusable, match="another installation"):
            await stranger.start()
        await stranger.close()
        astray = Blobs(first, manual_clock(), Ids(3), tmp_path / "y", backend=Files(tmp_path / "other", durable=True))
        with pytest.raises(BlobsUnusable, match=r"not in .*other"):
            await astray.start()
        await astray.close()
        again = Blobs(first, manual_clock(), Ids(4), tmp_path / "z", backend=place.backend())
        await again.start()
        await first.transact(lambda tx: again.claim(tx, blob))
        assert await again.read_all(blob) == big(100_000)
        await again.close()

    asyncio.run(main())


def test_released_bytes_are_kept_for_backups_as_long_as_the_place_says(place):
    async def main():
        store = memory_store()
        blobs = await place.open(store, keep_s=3600)
        clock = blobs._clock
        blob = await blobs.write(big(100_000))
        await store.transact(lambda tx: blobs.claim(tx, blob))
        await store.transact(lambda tx: blobs.release(tx, blob))
        assert await blobs.collect() == 0
        assert await store.read(lambda tx: tx.scan(*span("blob", "gone"))) == []
        clock.advance(3_599)
        assert await blobs.collect() == 0 and await place.names() == [blob.id]
        clock.advance(1)
        assert await blobs.collect() == 1 and await place.names() == []
        assert await store.read(lambda tx: tx.scan(*span("blob", "kept"))) == []
        assert await store.read(lambda tx: tx.scan(*span("blob", "claim"))) == []
        await blobs.close()

    asyncio.run(main())


class Node:
    """One of several on a store."""

    def __init__(self, store, place, seed):
        self.clock, self.tasks = manual_clock(), Tasks()
        self.members = Members(store, self.clock)
        self.duties = Duties(store, self.clock, self.tasks, self.members)
        own = place.directory / f"node{seed}"
        self.blobs = Blobs(store, self.clock, Ids(seed), own, backend=place.backend(), duties=self.duties)

    async def start(self):
        await self.blobs.start()
        await self.duties.start(background=False)

    async def close(self):
        await self.blobs.close()
        await self.tasks.close()


def test_what_another_node_reads_for_long_stays(place):
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        reader, collector = Node(store, place, 1), Node(store, place, 2)
        for node in (reader, collector, reader, collector):
            await node.duties.turn() if node.blobs._tasks._tasks else await node.start()
        data = big(5_000_000)
        blob = await collector.blobs.write(data)
        await store.transact(lambda tx: collector.blobs.claim(tx, blob))
        reading = await reader.blobs.read(blob)
        first = await anext(reading)
        await reader.blobs._releases.tell_pins(after=0.0)
        await store.transact(lambda tx: collector.blobs.release(tx, blob))
        assert await collector.blobs.collect() == 0, "the other node reads it"
        assert first + b"".join([piece async for piece in reading]) == data
        await reader.blobs._releases.tell_pins(after=0.0)
        assert await store.read(lambda tx: tx.scan(*span("blob", "pin"))) == []
        assert await collector.blobs.collect() == 1 and await place.names() == []
        await reader.close()
        await collector.close()

    asyncio.run(main())


def test_a_node_that_died_while_it_read_keeps_nothing(place):
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        collector = Node(store, place, 2)
        await collector.start()
        blob = await collector.blobs.write(big(100_000))
        dead = pack("blob", "pin", blob.id, "a member that is not there")
        await store.transact(lambda tx: (collector.blobs.claim(tx, blob), tx.put(dead, b"")))
        await store.transact(lambda tx: collector.blobs.release(tx, blob))
        assert await collector.blobs.collect() == 1 and await place.names() == []
        assert await store.read(lambda tx: tx.get(dead)) is None
        await collector.close()

    asyncio.run(main())


def test_nodes_wait_longer_for_readers_than_one_does_and_do_not_sweep_what_others_just_wrote(place):
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        writer = Node(store, place, 1)
        await writer.start()
        blob = await writer.blobs.write(big(100_000))
        late = Node(store, place, 2)
        await late.start()
        await asyncio.sleep(0.05)
        assert await place.names() == [blob.id]
        assert late.blobs._releases._grace == releases.GRACE_SHARED_S > 2 * releases.PIN_AFTER_S + releases.PIN_EVERY_S
        await writer.close()
        await late.close()

    asyncio.run(main())


def test_ages_are_told_by_the_clock_of_the_store(flaky, tmp_path, monkeypatch):
    way, bucket = flaky

    async def main():
        blobs = await open_on(Objects(bucket, way), tmp_path)
        await blobs.write(big(100_000))
        real = way._clock.wall
        monkeypatch.setattr(way._clock, "wall", lambda: real() + 7200)
        way.fails = lambda method, url, attempt: None
        names = [name async for page in blobs._backend.older(real() + 7200 - 3600, 100) for name in page]
        assert names == [], "our clock is ahead by two hours: what was just written is not an hour old"
        await blobs.close()

    asyncio.run(main())


def test_listings_of_many_pages_and_uploads_left_behind(place, monkeypatch):
    monkeypatch.setattr(objects, "PAGE", 3)
    if place.kind == "files":
        pytest.skip("files need neither")

    async def main():
        blobs = await place.open()
        written = sorted([(await blobs.write(big(70_000, at))).id for at in range(8)])
        assert await place.names() == written
        pages = [page async for page in blobs._backend.older(time.time() + 60, 2)]
        assert sorted(name for page in pages for name in page) == written and max(map(len, pages)) == 2
        left = blobs._backend.writer("f" * 24)
        await left.write([b"x" * objects.PART])
        await left._sent()
        way = blobs._backend._s3

        async def uploads():
            found = (await way.request("GET", "", {"uploads": "", "prefix": blobs._backend._prefix})).body
            return found.count(b"<Upload>")

        assert await uploads() == 1
        await blobs._backend.sweep_unfinished(time.time() + 3600)
        assert await uploads() == 1, "it is young"
        await blobs._backend.sweep_unfinished(time.time() + objects.UPLOAD_S + 3600)
        assert await uploads() == 0
        assert await place.names() == written
        await blobs.close()

    asyncio.run(main())


def test_places_are_named_by_urls():
    assert parse("/shared") == parse("file:///shared") and isinstance(parse("/shared"), Directory)
    assert parse("file:///shared?keep=7d").keep_s == 604_800
    found = parse("s3://bucket/a/b?endpoint=http://host:8333&region=eu-west-1&keep=90m")
    assert found == Bucket("bucket", "a/b", "http://host:8333", "eu-west-1", virtual=False, keep_s=5400)
    assert found.base == "http://host:8333/bucket"
    assert parse("s3://bucket").base == "https://bucket.s3.us-east-1.amazonaws.com"
    assert parse("s3://bucket?endpoint=http://h:1&style=virtual").base == "http://bucket.h:1"


@pytest.mark.parametrize(
    "text",
    [
        "http://x/y",
        "s3://",
        "s3://UPPER/x",
        "s3://key:secret@bucket/x",
        "s3://bucket/a//b",
        "s3://bucket/a b",
        "s3://bucket?endpoint=host:8333",
        "s3://bucket?endpoint=http://user:pass@host",
        "s3://bucket?keep=long",
        "s3://bucket?style=new",
        "s3://bucket?unknown=1",
        "s3://bucket?region=a/b",
        "file://host/x",
        "file:///x?endpoint=1",
    ],
)
def test_places_that_cannot_be_are_refused_in_words(text):
    with pytest.raises(ValueError, match=r"[A-Z].*[.]"):
        parse(text)


def test_credentials_come_from_the_environment_or_a_profile_and_are_asked_for(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(ConfigError, match="need credentials"):
        backend_of("s3://bucket", manual_clock(), Ids(1))
    (tmp_path / "credentials").write_text("[store]\naws_access_key_id = AK\naws_secret_access_key = hidden\n")
    with pytest.raises(ConfigError, match="nobody"):
        backend_of("s3://bucket?profile=nobody", manual_clock(), Ids(1))
    backend, keep_s = backend_of("s3://bucket?profile=store&keep=1h", manual_clock(), Ids(1))
    keys = asyncio.run(backend._s3._credentials(False))
    assert (keys.access_key, keys.secret, keep_s) == ("AK", "hidden", 3600) and "hidden" not in repr(keys)
    assert backend_of("", manual_clock(), Ids(1)) == (None, 0)


def test_bytes_that_were_sent_or_received_are_let_go_at_once(flaky, tmp_path):
    """The server's collector looks seldom: a cycle through a body would keep it for long."""
    way, bucket = flaky

    async def main():
        blobs = await open_on(Objects(bucket, way), tmp_path)
        data = big(2_000_000)
        blob = await blobs.write(data)
        gc.collect()
        gc.disable()
        try:
            held = sys.getrefcount(data)
            for _ in range(3):
                await blobs.write(data)
            found = await blobs._backend.read(blob.id, 0, blob.size)
            await asyncio.sleep(0)
            assert sys.getrefcount(data) == held and sys.getrefcount(found) == 2
        finally:
            gc.enable()
        await blobs.close()

    asyncio.run(main())
