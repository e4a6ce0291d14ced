"""The layout of S3's rows.

    s3 b {bucket}                  Bucket; names are one space for the whole installation
    s3 a {account} {bucket}        the same, by owner: region and creation time
    s3 o {generation}{key}         the current Version of a key, where that is an object: a listing is one scan of these
    s3 v {generation}{key} {~seq}  versions that are not current, and delete markers; newest first
    s3 n {generation}{key}         sequence of the null version, where it is among `v`
    s3 d {generation} {id}         Aside: bytes or parts of an object too long for its row
    s3 u {generation}{key} {id}    Upload
    s3 p {generation} {id} {n}     Part
    s3 f {generation}{id}          what a notification configuration could not deliver (announcing.Dropped)
    s3 x {generation} {id}         part rows (or, with an empty id, uploads of a deleted bucket) still to be cleared

Keys of objects order by their raw UTF-8 bytes, as S3 lists them. In `o` the key is last and stands as it is; elsewhere it
is packed, which keeps that order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import msgspec

from freehold.kit.tuples import after, pack, unpack
from freehold.services.s3.model import Aside, Bucket, Part, Upload, Version
from freehold.store.base import ReadTx

T = TypeVar("T")

encode = msgspec.msgpack.Encoder().encode
decode_version = msgspec.msgpack.Decoder(Version).decode
decode_aside = msgspec.msgpack.Decoder(Aside).decode
decode_upload = msgspec.msgpack.Decoder(Upload).decode
decode_part = msgspec.msgpack.Decoder(Part).decode
decode_int = msgspec.msgpack.Decoder(int).decode
_bucket_decoder = msgspec.msgpack.Decoder(Bucket)

_NEWEST = (1 << 64) - 1
BUCKETS = pack("s3", "b")


@lru_cache(maxsize=256)
def decode_bucket(raw: bytes) -> Bucket:
    """A bucket's row is read by every call and seldom changes: one decoded value per content."""
    return _bucket_decoder.decode(raw)


@lru_cache(maxsize=1024)
def bucket_key(name: str) -> bytes:
    return pack("s3", "b", name)


def owned_key(account: str, name: str) -> bytes:
    return pack("s3", "a", account, name)


@lru_cache(maxsize=2048)
def space(kind: str, generation: str) -> bytes:
    """The prefix of one kind of rows of a bucket."""
    return pack("s3", kind, generation)


def whole(kind: str, generation: str) -> tuple[bytes, bytes]:
    """Start and end of all rows of one kind of a bucket."""
    prefix = space(kind, generation)
    return prefix, after(prefix)


def current_key(generation: str, key: bytes) -> bytes:
    return space("o", generation) + key


def history_span(generation: str, key: bytes) -> tuple[bytes, bytes]:
    """All rows of `v` of one key: what follows the packed key is always an integer, never an escaped NUL (0xff)."""
    prefix = space("v", generation) + pack(key)
    return prefix, prefix + b"\xff"


def history_key(generation: str, key: bytes, sequence: int) -> bytes:
    return space("v", generation) + pack(key, _NEWEST - sequence)


def split_history(generation: str, row_key: bytes) -> tuple[bytes, int]:
    """Object key and sequence of a row of `v`."""
    key, inverted = unpack(row_key[len(space("v", generation)) :])
    assert isinstance(key, bytes) and isinstance(inverted, int)
    return key, _NEWEST - inverted


def null_key(generation: str, key: bytes) -> bytes:
    return space("n", generation) + key


def aside_key(generation: str, aside: str) -> bytes:
    return space("d", generation) + aside.encode()


def upload_key(generation: str, key: bytes, upload_id: str) -> bytes:
    return space("u", generation) + pack(key, upload_id)


def split_upload(generation: str, row_key: bytes) -> bytes:
    """Object key of a row of `u`."""
    key = unpack(row_key[len(space("u", generation)) :])[0]
    assert isinstance(key, bytes)
    return key


def parts_span(generation: str, upload_id: str) -> tuple[bytes, bytes]:
    """All parts of an upload."""
    prefix = space("p", generation) + pack(upload_id)
    return prefix, prefix + b"\xff\xff\xff"


def part_key(generation: str, upload_id: str, number: int) -> bytes:
    return space("p", generation) + pack(upload_id) + number.to_bytes(2, "big")


def dropped_key(generation: str, configuration: str) -> bytes:
    return space("f", generation) + configuration.encode()


def leftover_key(generation: str, upload_id: str) -> bytes:
    return pack("s3", "x", generation, upload_id)


def find_bucket(tx: ReadTx, name: str) -> Bucket | None:
    """The bucket of this name, whoever owns it."""
    raw = tx.get(bucket_key(name))
    return decode_bucket(raw) if raw is not None else None


def scan_all(tx: ReadTx, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
    """Every row of a span, page by page: for spans whose size is bounded, such as the parts of one upload."""
    rows: list[tuple[bytes, bytes]] = []
    while page := tx.scan(start, end):
        rows += page
        start = page[-1][0] + b"\x00"
    return rows
