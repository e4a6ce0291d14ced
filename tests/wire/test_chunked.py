"""aws-chunked bodies: AWS's documented examples, framing in any pieces, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import io
import zlib
from collections.abc import AsyncIterator

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.kit.faults import Fault
from freehold.wire import sigv4
from freehold.wire.chunked import Body, decode_chunked

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

# "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", its PUT example.
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNED = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
# The same with trailing headers.
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILED = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    + b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def signature(seed: str, payload: str) -> sigv4.Signature:
    claims = sigv4.claims("AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3", ("host",))
    return sigv4.Signature(claims, seed, "20130524T000000Z", payload=payload)


SIGNED_BY = signature(SEED, sigv4.STREAMING_SIGNED)
TRAILED_BY = signature(TRAILER_SEED, sigv4.STREAMING_SIGNED_TRAILER)
UNSIGNED_BY = signature("x", sigv4.STREAMING_UNSIGNED_TRAILER)


def decode(
    raw: bytes, by: sigv4.Signature | None, secret: str | None = SECRET, *, piece: int = 4096, length: int | None = None
) -> tuple[bytes, Body]:
    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, len(raw), piece):
            yield raw[at : at + piece]

    async def run() -> tuple[bytes, Body]:
        body = decode_chunked(stream(), by, secret, length=length)
        return b"".join([part async for part in body]), body

    return asyncio.run(run())


@pytest.mark.parametrize("piece", [1, 7, 1000, 65536, 1 << 20])
def test_signed_chunks_of_the_documentation(piece: int) -> None:
    data, _ = decode(SIGNED, SIGNED_BY, piece=piece if piece > 1 else 97, length=66560)
    assert data == b"a" * 66560


def test_signed_trailer_of_the_documentation() -> None:
    data, body = decode(TRAILED, TRAILED_BY)
    assert len(data) == 66560
    assert body.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@pytest.mark.parametrize(
    ("raw", "by"),
    [
        (SIGNED.replace(b"aaaa\r\n400", b"aaab\r\n400"), SIGNED_BY),
        (SIGNED.replace(b"=0055", b"=1055"), SIGNED_BY),
        (SIGNED.replace(b";chunk-signature=b6c6", b";chunk-signature=b6c7"), SIGNED_BY),
        (
            SIGNED.replace(b";chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", b""),
            SIGNED_BY,
        ),
        (TRAILED.replace(b"sOO8/Q==", b"sOO8/A=="), TRAILED_BY),
        (TRAILED.replace(b"signature:d81f", b"signature:d81e"), TRAILED_BY),
    ],
)
def test_what_was_changed_on_the_way_is_refused(raw: bytes, by: sigv4.Signature) -> None:
    with pytest.raises(Fault) as refused:
        decode(raw, by)
    assert (refused.value.code, refused.value.status) == ("SignatureDoesNotMatch", 403)


def test_without_a_secret_signatures_are_not_looked_at() -> None:
    assert decode(SIGNED.replace(b"=0055", b"=1055"), SIGNED_BY, None)[0] == b"a" * 66560


def test_unsigned_chunks_with_the_trailer_that_botocore_sends() -> None:
    wrapper = AwsChunkedWrapper(
        io.BytesIO(b"x" * 300_000), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=65536
    )
    data, body = decode(wrapper.read(), UNSIGNED_BY, length=300_000)
    assert data == b"x" * 300_000
    checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    assert body.trailers == {"x-amz-checksum-crc32": checksum}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "IncompleteBody"),
        (b"5\r\nab", "IncompleteBody"),
        (b"5\r\nabcde\r\n", "IncompleteBody"),
        (b"zz\r\n", "InvalidRequest"),
        (b"-5\r\nabcde", "InvalidRequest"),
        (b"3\r\nabcde\r\n0\r\n\r\n", "InvalidRequest"),
        (b"9" * 40_000, "InvalidRequest"),
        (b"0\r\nno colon\r\n\r\n", "InvalidRequest"),
        (b"0\r\n" + b"a:b\r\n" * 10_000 + b"\r\n", "InvalidRequest"),
    ],
)
def test_broken_framing(raw: bytes, code: str) -> None:
    with pytest.raises(Fault) as refused:
        decode(raw, UNSIGNED_BY)
    assert refused.value.code == code


def test_the_decoded_length_must_be_what_was_announced() -> None:
    raw = b"5\r\nabcde\r\n0\r\n\r\n"
    assert decode(raw, None, None, length=5)[0] == b"abcde"
    for length in (4, 6):
        with pytest.raises(Fault) as refused:
            decode(raw, None, None, length=length)
        assert refused.value.code == "IncompleteBody"


def test_a_signed_chunk_beyond_what_is_held_is_refused_before_it_is_read() -> None:
    with pytest.raises(Fault) as refused:
        decode(b"ffffffff;chunk-signature=0\r\n", SIGNED_BY)
    assert refused.value.code == "InvalidChunkSizeError"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_any_bytes_end_in_data_or_a_fault(raw: bytes, piece: int, framed: bool) -> None:
    try:
        decode(b"5\r\nabcde\r\n" + raw if framed else raw, UNSIGNED_BY, piece=piece)
    except Fault:
        pass
