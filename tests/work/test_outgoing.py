"""Outgoing HTTP against a small server."""

from __future__ import annotations

import asyncio
import gc
import gzip
import sys
import zlib
from collections.abc import Awaitable, Callable

import pytest

from freehold.work.outgoing import Outgoing, Pool, Unreached

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def against(serve: Serve, ask: Callable[[Pool, str], Awaitable[None]]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await reader.readuntil(b"\r\n\r\n"), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        pool = Pool()
        try:
            await ask(pool, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            await pool.close()
            server.close()

    asyncio.run(main())


def answer(status: str, body: bytes = b"", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def test_one_request_and_its_whole_answer() -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer("201 Created", b"yes", "X-One: 1\r\n"))

    async def ask(pool: Pool, url: str) -> None:
        got = await pool.send("POST", f"{url}/a?b=c", {"x-two": "2"}, b"body", seconds=5)
        assert (got.status, got.body, got.headers["x-one"]) == (201, b"yes", "1")

    against(serve, ask)
    assert asked[0].startswith(b"POST /a?b=c HTTP/1.1") and b"x-two: 2" in asked[0]


def test_redirects_are_answers() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("302 Found", headers="Location: http://127.0.0.1:1/\r\n"))

    async def ask(pool: Pool, url: str) -> None:
        assert (await pool.send("GET", url, {}, b"", seconds=5)).status == 302

    against(serve, ask)


def test_too_late_and_too_much() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /late"):
            await asyncio.sleep(2)
        writer.write(answer("200 OK", b"x" * 1000))

    async def ask(pool: Pool, url: str) -> None:
        with pytest.raises(Unreached) as late:
            await pool.send("GET", f"{url}/late", {}, b"", seconds=0.05)
        assert late.value.late
        with pytest.raises(Unreached, match="too much") as much:
            await pool.send("GET", url, {}, b"", seconds=5, most=999)
        assert not much.value.late

    against(serve, ask)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[", "http://"]
)
def test_what_cannot_be_reached(url: str) -> None:
    async def main() -> None:
        pool = Pool()
        with pytest.raises(Unreached):
            await pool.send("GET", url, {}, b"", seconds=5)
        await pool.close()

    asyncio.run(main())


def test_a_header_cannot_carry_another_line() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nothing may be sent")

    async def ask(pool: Pool, url: str) -> None:
        with pytest.raises(Unreached):
            await pool.send("GET", url, {"x": "a\r\ny: b"}, b"", seconds=5)

    against(serve, ask)


def test_no_cookie_of_one_answer_goes_with_the_next_request() -> None:
    """Customers of one endpoint share the pool: whoever sends no cookie must not be taken for who came before."""
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer("200 OK", b"yes", "Set-Cookie: session=secret; Path=/\r\n"))

    async def ask(pool: Pool, url: str) -> None:
        assert (await pool.send("GET", url, {}, b"", seconds=5)).headers["set-cookie"].startswith("session=")
        await pool.send("GET", url, {}, b"", seconds=5)
        await pool.send("GET", url, {"Cookie": "own=1"}, b"", seconds=5)

    against(serve, ask)
    assert b"secret" not in b"".join(asked) and b"own=1" in asked[2]


def test_an_answer_that_trickles_ends_with_the_time_for_all_of_it() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def ask(pool: Pool, url: str) -> None:
        with pytest.raises(Unreached) as late:
            await pool.send("GET", url, {}, b"", seconds=0.3)
        assert late.value.late
        cut = await pool.send("GET", url, {}, b"", seconds=0.3, cut=True)
        assert cut.status == 200 and 0 < len(cut.body) < 1000

    against(serve, ask)


def test_an_answer_that_may_be_cut_is_read_to_the_limit() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("404 Not Found", b"x" * 100_000))

    async def ask(pool: Pool, url: str) -> None:
        cut = await pool.send("GET", url, {}, b"", seconds=5, most=256, cut=True)
        assert (cut.status, cut.body) == (404, b"x" * 256)

    against(serve, ask)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "deflate, gzip"])
def test_a_decoded_body_is_never_longer_than_the_limit(encoding: str) -> None:
    body = b"x" * 5_000_000
    for name in encoding.split(", "):
        body = gzip.compress(body) if name == "gzip" else zlib.compress(body)

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK", body, f"Content-Encoding: {encoding}\r\n"))

    async def ask(pool: Pool, url: str) -> None:
        assert len((await pool.send("GET", url, {}, b"", seconds=5, most=5_000_000)).body) == 5_000_000
        with pytest.raises(Unreached, match="too much"):
            await pool.send("GET", url, {}, b"", seconds=5, most=4_999_999)
        as_it_came = await pool.send("GET", url, {}, b"", seconds=5, decoded=False)
        assert as_it_came.body == body and as_it_came.headers["content-encoding"] == encoding

    against(serve, ask)


def test_what_is_not_encoded_as_it_says_is_no_answer_and_unknown_encodings_stay() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        name = "br" if b"/br" in head else "gzip"
        writer.write(answer("200 OK", b"not that", f"Content-Encoding: {name}\r\n"))

    async def ask(pool: Pool, url: str) -> None:
        assert (await pool.send("GET", f"{url}/br", {}, b"", seconds=5)).body == b"not that"
        with pytest.raises(Unreached, match="decoded"):
            await pool.send("GET", url, {}, b"", seconds=5)

    against(serve, ask)


def test_an_encoding_is_asked_for_by_who_decodes_only() -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head.lower())
        writer.write(answer("200 OK", b"yes"))

    async def ask(pool: Pool, url: str) -> None:
        await pool.send("GET", url, {}, b"", seconds=5, decoded=False)
        await pool.send("GET", url, {}, b"", seconds=5)
        await pool.send("GET", url, {"Accept-Encoding": "identity"}, b"", seconds=5)

    against(serve, ask)
    assert b"accept-encoding" not in asked[0]
    assert b"accept-encoding: gzip, deflate" in asked[1] and b"accept-encoding: identity" in asked[2]


def test_headers_that_come_more_than_once_are_kept_one_by_one() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK", b"", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"))

    async def ask(pool: Pool, url: str) -> None:
        got = await pool.send("GET", url, {}, b"", seconds=5)
        assert [value for name, value in got.pairs if name == "set-cookie"] == ["a=1", "b=2"]

    against(serve, ask)


@pytest.mark.parametrize("status", ["200 OK", "none"])
def test_bodies_are_let_go_at_once(status: str) -> None:
    """The server's collector looks seldom: a cycle through a body would keep it for long."""

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        if status != "none":
            writer.write(answer(status, b"yes"))

    async def ask(pool: Pool, url: str) -> None:
        body = bytes(100_000)
        gc.collect()
        gc.disable()
        try:
            held = sys.getrefcount(body)
            for _ in range(3):
                try:
                    await pool.send("POST", url, {}, body, seconds=5)
                except Unreached:
                    assert status == "none"
            await asyncio.sleep(0.01)
            assert sys.getrefcount(body) == held
        finally:
            gc.enable()

    against(serve, ask)


def test_pools_have_connections_of_their_own() -> None:
    async def main() -> None:
        outgoing = Outgoing()
        assert outgoing.pool("sns") is outgoing.pool("sns") and outgoing.pool("sns") is not outgoing.pool("events")
        await outgoing.close()

    asyncio.run(main())
