"""Listings: order, pages, prefixes, delimiters, markers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.services.s3 import listing
from freehold.services.s3.model import Bucket, Version
from freehold.services.s3.rows import current_key, encode
from freehold.store.base import ReadTx
from tests.services.s3.support import S3, refused, run

KEYS = ["a", "a/b", "a/c/d", "a/c/e", "b/x", "b/y", "c", "é", "\U0001f600", "z\x00", "z\x00z", "zz"]


async def fill(s3: S3, keys: list[str]) -> None:
    for key in keys:
        await s3.put(key)


async def pages(s3: S3, size: int, **params: Any) -> tuple[list[str], list[str]]:
    """All keys and common prefixes, page by page."""
    keys: list[str] = []
    prefixes: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = await s3("ListObjectsV2", Bucket="bucket", MaxKeys=size, **params, **token)
        assert page["KeyCount"] == len(page["Contents"]) + len(page["CommonPrefixes"]) <= size
        keys += [one["Key"] for one in page["Contents"]]
        prefixes += [one["Prefix"] for one in page["CommonPrefixes"]]
        if not page["IsTruncated"]:
            return keys, prefixes
        token = {"ContinuationToken": page["NextContinuationToken"]}


def test_keys_are_listed_in_the_order_of_their_utf8_bytes() -> None:
    async def test(s3: S3) -> None:
        await fill(s3, KEYS[::-1])
        for size in (1, 2, 5, 1000):
            assert await pages(s3, size) == (sorted(KEYS, key=str.encode), [])

    run(test)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_keys_roll_up_into_common_prefixes(size: int) -> None:
    async def test(s3: S3) -> None:
        await fill(s3, KEYS)
        keys, prefixes = await pages(s3, size, Delimiter="/")
        assert prefixes == ["a/", "b/"]
        assert keys == sorted([key for key in KEYS if "/" not in key], key=str.encode)
        assert await pages(s3, size, Delimiter="/", Prefix="a/") == (["a/b"], ["a/c/"])
        assert await pages(s3, size, Delimiter="/", Prefix="a") == (["a"], ["a/"])
        assert await pages(s3, size, Delimiter="c/", Prefix="a/") == (["a/b"], ["a/c/"])
        assert await pages(s3, size, Prefix="b") == (["b/x", "b/y"], [])
        assert await pages(s3, size, StartAfter="a/c/d", Delimiter="/") == (
            [key for key in keys if key > "a/c/d"],
            ["a/", "b/"],
        )

    run(test)


def test_the_older_listing_goes_on_by_marker() -> None:
    async def test(s3: S3) -> None:
        await fill(s3, KEYS)
        first = await s3("ListObjects", Bucket="bucket", MaxKeys=2, Delimiter="/")
        assert [one["Key"] for one in first["Contents"]] == ["a"]
        assert first["CommonPrefixes"] == [{"Prefix": "a/"}] and first["NextMarker"] == "a/"
        second = await s3("ListObjects", Bucket="bucket", MaxKeys=1, Delimiter="/", Marker="a/")
        assert second["CommonPrefixes"] == [{"Prefix": "b/"}]
        plain = await s3("ListObjects", Bucket="bucket", MaxKeys=1, Marker="a")
        assert plain["Contents"][0]["Key"] == "a/b" and "NextMarker" not in plain and plain["IsTruncated"]
        assert plain["Contents"][0]["Owner"]["ID"]

    run(test)


def test_arguments_are_checked() -> None:
    async def test(s3: S3) -> None:
        await s3.put("a b+c", b"1")
        wrong: list[dict[str, Any]] = [{"MaxKeys": -1}, {"EncodingType": "xml"}, {"ContinuationToken": "zzz"}]
        for params in wrong:
            await refused(s3("ListObjectsV2", Bucket="bucket", **params), "InvalidArgument")
        assert (await s3("ListObjectsV2", Bucket="bucket", MaxKeys=0))["IsTruncated"] is False
        assert (await s3("ListObjectsV2", Bucket="bucket", MaxKeys=5000))["MaxKeys"] == 1000
        encoded = await s3("ListObjectsV2", Bucket="bucket", EncodingType="url", Prefix="a ", FetchOwner=True)
        assert encoded["Contents"][0]["Key"] == "a+b%2Bc" and encoded["Prefix"] == "a+"
        assert encoded["EncodingType"] == "url" and encoded["Contents"][0]["Owner"]["ID"]
        assert encoded["Contents"][0]["ChecksumAlgorithm"] == ["CRC64NVME"]

    run(test)


def test_a_common_prefix_costs_a_seek_and_not_its_keys() -> None:
    """20 prefixes of 3,000 keys each are listed by reading less than a page of each."""

    async def test(s3: S3) -> None:
        bucket = Bucket("bucket", "1", "us-east-1", "g", 0)
        row = encode(Version("", 1, 0, 1, "e"))
        keys = [f"{p:02d}/{k:04d}".encode() for p in range(20) for k in range(3000)]
        for at in range(0, len(keys), 1000):
            chunk = keys[at : at + 1000]
            await s3.store.transact(lambda tx, chunk=chunk: [tx.put(current_key("g", key), row) for key in chunk])  # type: ignore[misc]
        read: list[int] = []

        class Counting:
            def __init__(self, tx: Any) -> None:
                self.tx = tx

            def scan(self, start: bytes, end: bytes, **options: Any) -> list[tuple[bytes, bytes]]:
                found: list[tuple[bytes, bytes]] = self.tx.scan(start, end, **options)
                read.append(len(found))
                return found

        def body(tx: ReadTx) -> listing.Page:
            read.clear()  # it may run twice
            return listing.objects(Counting(tx), bucket, listing.Query(delimiter=b"/"))  # type: ignore[arg-type]

        page = await s3.store.read(body)
        assert [prefix.decode() for prefix in page.prefixes] == [f"{p:02d}/" for p in range(20)]
        assert sum(read) < 1000

    run(test, bucket=False)


@settings(max_examples=25, deadline=None)
@given(
    keys=st.sets(st.text(alphabet="ab/\x00ÿ", min_size=1, max_size=5), max_size=25),
    prefix=st.text(alphabet="ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "b", "//"]),
    size=st.integers(1, 4),
    versioned=st.booleans(),
)
def test_pages_are_the_whole(keys: set[str], prefix: str, delimiter: str, size: int, versioned: bool) -> None:
    def rolled(key: str) -> str:
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        return key[: at + len(delimiter)] if at >= 0 else key

    wanted = sorted({rolled(key) for key in keys if key.startswith(prefix)}, key=str.encode)

    async def test(s3: S3) -> None:
        if versioned:
            await s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        await fill(s3, sorted(keys))
        found = await pages(s3, size, Prefix=prefix, Delimiter=delimiter)
        assert sorted(found[0] + found[1], key=str.encode) == wanted
        marker: dict[str, str] = {}
        seen: list[str] = []
        while True:
            page = await s3(
                "ListObjectVersions", Bucket="bucket", MaxKeys=size, Prefix=prefix, Delimiter=delimiter, **marker
            )
            seen += [one["Key"] for one in page["Versions"]] + [one["Prefix"] for one in page["CommonPrefixes"]]
            if not page["IsTruncated"]:
                break
            marker = {"KeyMarker": page["NextKeyMarker"]}
            if "NextVersionIdMarker" in page:
                marker["VersionIdMarker"] = page["NextVersionIdMarker"]
        assert sorted(seen, key=str.encode) == wanted

    run(test)
