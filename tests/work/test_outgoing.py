"""Outgoing HTTP against a small server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from freehold.work.outgoing import Outgoing, Unreached

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def against(serve: Serve, ask: Callable[[Outgoing, str], Awaitable[None]]) -> None:
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
        outgoing = Outgoing()
        try:
            await ask(outgoing, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            await outgoing.close()
            server.close()

    asyncio.run(main())


def answer(status: str, body: bytes = b"", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def test_one_request_and_its_whole_answer() -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer("201 Created", b"yes", "X-One: 1\r\n"))

    async def ask(outgoing: Outgoing, url: str) -> None:
        got = await outgoing.send("POST", f"{url}/a?b=c", {"x-two": "2"}, b"body", seconds=5)
        assert (got.status, got.body, got.headers["x-one"]) == (201, b"yes", "1")

    against(serve, ask)
    assert asked[0].startswith(b"POST /a?b=c HTTP/1.1") and b"x-two: 2" in asked[0]


def test_redirects_are_answers() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("302 Found", headers="Location: http://127.0.0.1:1/\r\n"))

    async def ask(outgoing: Outgoing, url: str) -> None:
        assert (await outgoing.send("GET", url, {}, b"", seconds=5)).status == 302

    against(serve, ask)


def test_too_late_and_too_much() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /late"):
            await asyncio.sleep(2)
        writer.write(answer("200 OK", b"x" * 1000))

    async def ask(outgoing: Outgoing, url: str) -> None:
        with pytest.raises(Unreached) as late:
            await outgoing.send("GET", f"{url}/late", {}, b"", seconds=0.05)
        assert late.value.late
        with pytest.raises(Unreached, match="too much") as much:
            await outgoing.send("GET", url, {}, b"", seconds=5, most=999)
        assert not much.value.late

    against(serve, ask)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[", "http://"]
)
def test_what_cannot_be_reached(url: str) -> None:
    async def main() -> None:
        outgoing = Outgoing()
        with pytest.raises(Unreached):
            await outgoing.send("GET", url, {}, b"", seconds=5)
        await outgoing.close()

    asyncio.run(main())


def test_a_header_cannot_carry_another_line() -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nothing may be sent")

    async def ask(outgoing: Outgoing, url: str) -> None:
        with pytest.raises(Unreached):
            await outgoing.send("GET", url, {"x": "a\r\ny: b"}, b"", seconds=5)

    against(serve, ask)
