import asyncio
import os
import time

import msgspec
import pytest

from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.work.blobs import INLINE, PIECE, Blob, Blobs, room
from tests.support import manual_clock, memory_store
from tests.work.places import freehold_s3, place, seaweed

__all__ = ["freehold_s3", "place", "seaweed"]


async def rows(store):
    """What is in the store but for the id of the place."""
    found = await store.read(lambda tx: tx.scan(b"", b"\xff"))
    return [key for key, _ in found if key != pack("blob", "place")]


async def pour(*pieces):
    for piece in pieces:
        yield piece


async def drain(found):
    return found if isinstance(found, bytes) else b"".join([piece async for piece in found])


def big(size, salt=0):
    return bytes((i * 7 + salt) % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000)


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, 1 << 20, (1 << 20) + 1, 3_000_017])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_written_is_read(place, size, streamed):
    async def main():
        blobs = await place.open()
        data = big(size)
        cut = [data[at : at + 70_001] for at in range(0, size, 70_001)]
        blob = await blobs.write(pour(*cut) if streamed else data)
        assert blob.size == size
        assert len(await place.names()) == (0 if size <= INLINE else 1)
        assert await drain(await blobs.read(blob)) == data
        for start, end in ((0, 1), (5, 10), (size // 2, None), (size - 1, size + 10), (size, None), (100, 50)):
            assert (
                await drain(await blobs.read(blob, start, end))
                == data[max(start, 0) : end if end is not None else size]
            )
        decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(blob), type=Blob)
        assert await blobs.read_all(decoded) == data
        await blobs.close()

    asyncio.run(main())


def test_long_reads_come_in_pieces(place):
    async def main():
        blobs = await place.open()
        blob = await blobs.write(big(2_500_000))
        sizes = [len(piece) async for piece in await blobs.read(blob)]
        assert max(sizes) == PIECE and sum(sizes) == 2_500_000
        await blobs.close()

    asyncio.run(main())


def test_a_composed_blob_reads_across_its_parts_without_copying(place):
    async def main():
        blobs = await place.open()
        datas = [big(700_000, 1), big(500_000, 2), b"tail"]
        parts = [await blobs.write(data) for data in datas]
        whole = b"".join(datas)
        before = await place.names()
        blob = await blobs.compose([await blobs.compose(parts[:2]), parts[2]])
        assert await place.names() == before
        assert blob.size == len(whole)
        assert await drain(await blobs.read(blob)) == whole
        for start, end in ((699_990, 700_010), (1_199_999, None), (0, 1_200_001), (600_000, 1_150_000)):
            assert await drain(await blobs.read(blob, start, end)) == whole[start:end]
        assert (await blobs.open_path(blob)).read_bytes() == whole
        await blobs.close()

    asyncio.run(main())


def test_a_stream_that_breaks_leaves_nothing(place):
    async def main():
        blobs = await place.open()

        async def broken():
            yield big(1_500_000)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await blobs.write(broken())
        assert await place.names() == []
        await blobs.close()

    asyncio.run(main())


def test_a_released_blob_goes_after_the_commit_and_not_before(place):
    async def main():
        store = memory_store()
        blobs = await place.open(store)
        part, rest = await blobs.write(big(100_000)), await blobs.write(big(200_000))
        for blob in (part, rest):
            await store.transact(lambda tx, blob=blob: blobs.claim(tx, blob))
        blob = await blobs.compose([part, rest])

        def refused(tx):
            blobs.release(tx, blob)
            raise ValueError

        with pytest.raises(ValueError):
            await store.transact(refused)
        assert await blobs.collect() == 0 and len(await place.names()) == 2
        await store.transact(lambda tx: blobs.release(tx, blob))
        assert await blobs.collect() == 1
        assert await place.names() == []
        assert await rows(store) == []
        with pytest.raises(FileNotFoundError):
            await blobs.read(part)
        await blobs.close()

    asyncio.run(main())


def test_many_releases_are_collected_together(place):
    async def main():
        store = memory_store()
        blobs = await place.open(store)
        for _ in range(50):
            blob = await blobs.write(big(70_000))

            def body(tx, blob=blob):
                blobs.claim(tx, blob)
                blobs.release(tx, blob)

            await store.transact(body)
        assert await blobs.collect() == 50
        assert await place.names() == []
        assert await rows(store) == []
        await blobs.close()

    asyncio.run(main())


def test_a_reader_keeps_a_released_blob_until_it_is_done(place):
    async def main():
        store = memory_store()
        blobs = await place.open(store)
        data = big(3_000_000)
        blob = await blobs.write(data)
        reading = await blobs.read(blob)
        first = await anext(reading)
        await store.transact(lambda tx: blobs.release(tx, blob))
        assert await blobs.collect() == 0
        assert first + b"".join([piece async for piece in reading]) == data
        assert await blobs.collect() == 1
        await blobs.close()

    asyncio.run(main())


def test_files_that_no_row_claims_are_swept_by_age_and_at_the_next_start(place):
    async def main():
        store = memory_store()
        blobs = await place.open(store)
        temporary = blobs._temporary._directory
        kept, orphan = await blobs.write(big(100_000)), await blobs.write(big(100_000))
        await store.transact(lambda tx: blobs.claim(tx, kept))
        await blobs.open_path(await blobs.write(b"inline"))
        assert await blobs.sweep(before=time.time() - 60) == 0
        assert len(os.listdir(temporary)) == 1
        assert await blobs.sweep(before=time.time() + 3) == 1
        assert await place.names() == [kept.id] and orphan.id != kept.id
        await blobs._temporary.sweep(time.time() + 3)
        assert os.listdir(temporary) == []
        assert await blobs.read_all(kept) == big(100_000)
        await blobs.close()

    asyncio.run(main())


def test_without_a_directory_blobs_leave_no_trace():
    async def main():
        blobs = Blobs(memory_store(), manual_clock(), Ids(1), None)
        await blobs.start()
        directory = blobs._emptied
        blob = await blobs.write(big(100_000))
        assert await blobs.read_all(blob) == big(100_000)
        await blobs.close()
        assert not directory.exists()

    asyncio.run(main())


def test_the_file_is_complete_and_named_before_write_returns(tmp_path, monkeypatch):
    """The order that survives a power cut: data synced, then the directory entry, then the caller's commit."""
    calls = []
    real_sync, real_fsync = os.fdatasync, os.fsync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("data"), real_sync(fd))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("entry"), real_fsync(fd))[1])

    async def main():
        blobs = Blobs(memory_store(), manual_clock(), Ids(1), tmp_path)
        await blobs.start()
        assert calls == ["entry"], "the directory of blobs lasts itself"
        calls.clear()
        await blobs.write(big(100_000))
        assert calls == ["entry", "entry", "data", "entry"]
        calls.clear()
        monkeypatch.setattr(room, "INLINE", 10)
        await blobs.write(big(9))
        assert calls == []
        await blobs.close()

    asyncio.run(main())


def test_while_held_no_released_file_goes(place):
    async def main():
        store = memory_store()
        blobs = await place.open(store)
        blob = await blobs.write(big(INLINE + 1))
        await store.transact(lambda tx: blobs.claim(tx, blob))
        async with blobs.held():
            await store.transact(lambda tx: blobs.release(tx, blob))
            assert await blobs.collect() == 0
            assert await blobs.read_all(blob) == big(INLINE + 1)
        assert await blobs.collect() == 1
        assert await place.names() == []
        await blobs.close()

    asyncio.run(main())
