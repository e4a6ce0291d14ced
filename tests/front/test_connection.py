"""The HTTP protocol over a real socket: framing, keep-alive, pipelining, limits, and no line breaks from users."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

from freehold.front.body import Body
from freehold.front.connection import MAX_HEAD, Connection, Server
from freehold.kit.http import Request, Response


async def application(request: Request, body: Body) -> Response:
    """Answers by path: /echo the body, /stream pieces, /fail some of them, /long a megabyte, /break a bad header, /none
    nothing, /early before it has read."""
    path = request.path
    headers = [("x-path", path), ("x-query", request.query)]
    if path == "/early":
        return Response(200, headers, b"no need")
    data = await body.read(8 << 20)
    if path in ("/stream", "/fail"):
        return Response(200, headers, pieces(fails=path == "/fail"))
    if path == "/break":
        headers.append(("x-meta", "value\r\nset-cookie: stolen"))
    if request.method == "HEAD":
        headers.append(("content-length", "1048576"))
    if path == "/none":
        return Response(204, headers)
    return Response(200, headers, bytes(1 << 20) if path == "/long" else data)


async def pieces(*, fails: bool) -> AsyncIterator[bytes]:
    yield b"one,"
    yield b""
    if fails:
        raise RuntimeError("a producer that fails")
    yield b"two"


def conversation(sent: bytes, *, keep_alive: float = 5, end: bytes | None = None, slowly: int = 0) -> bytes:
    """What a server answers to `sent`, until it closes or its answers end with `end`. `slowly`: in packets of so many
    bytes."""

    async def talk() -> bytes:
        shared = Server(application, keep_alive_s=keep_alive, date=lambda: "Thu, 01 Jan 1970 00:00:00 GMT")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(shared), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for at in range(0, len(sent), slowly or len(sent) or 1):
            writer.write(sent[at : at + (slowly or len(sent))])
            if slowly:
                await asyncio.sleep(0)
        answer = b""
        while end is None or not answer.endswith(end):
            piece = await asyncio.wait_for(reader.read(1 << 20), 10)
            if not piece:
                break
            answer += piece
        writer.close()
        server.close()
        return answer

    return asyncio.run(talk())


def close(method: str = "GET", path: str = "/echo", body: bytes = b"") -> bytes:
    """A request after which the connection ends."""
    head = f"{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_a_body_follows_its_head() -> None:
    head, _, body = conversation(close("POST", "/echo?a=b#c", b"hello")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"hello"
    assert b"x-path: /echo\r\nx-query: a=b\r\ncontent-length: 5\r\n" in head
    assert head.endswith(b"connection: close")


def test_a_long_body_arrives_whole() -> None:
    assert conversation(close(path="/long")).partition(b"\r\n\r\n")[2] == bytes(1 << 20)


def test_a_body_of_unknown_length_is_chunked() -> None:
    head, _, body = conversation(close(path="/stream")).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n"


def test_a_stream_that_fails_is_not_ended() -> None:
    _, _, body = conversation(close(path="/fail")).partition(b"\r\n\r\n")
    assert body == b"4\r\none,\r\n"


def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    head, _, body = conversation(b"GET /stream HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"one,two"


def test_head_and_204_have_no_body() -> None:
    head = conversation(close("HEAD", "/long"))
    assert head.endswith(b"\r\n\r\n")
    assert b"content-length: 1048576" in head
    none = conversation(close(path="/none"))
    assert none.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in none
    assert b"content-length" not in none


def test_requests_may_be_pipelined() -> None:
    first = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\none"
    answers = conversation(first + first + close("POST", "/echo", b"two"))
    assert [part[:3] for part in answers.split(b"\r\n\r\n")[1:]] == [b"one", b"one", b"two"]


def test_a_request_may_come_in_any_packets() -> None:
    body = bytes(range(256)) * 10
    for size in (1, 7, 100):
        answer = conversation(close("POST", "/echo?a=b", body), slowly=size)
        assert answer.partition(b"\r\n\r\n")[2] == body


def test_a_wish_to_upgrade_is_passed_over() -> None:
    """Found by ./dev fuzz: what followed in the same packet was lost, a body became the next request."""
    wish = b"Host: here\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    plain = b"POST /echo HTTP/1.1\r\n" + wish + b"\r\n"
    sized = b"POST /echo HTTP/1.1\r\n" + wish + b"Content-Length: 3\r\n\r\none"
    chunked = b"POST /echo HTTP/1.1\r\n" + wish + b"Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
    for size in (100_000, 1, 50):
        answers = conversation(plain + sized + chunked + close("POST", "/echo", b"end"), slowly=size)
        assert answers.count(b"HTTP/1.1 200 OK") == 4
        assert [part[:3] for part in answers.split(b"\r\n\r\n")[2:]] == [b"one", b"two", b"end"]
    tunnel = b"CONNECT /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\none"
    assert conversation(tunnel).startswith(b"HTTP/1.1 400 ")


def test_a_large_body_is_taken_as_it_is_read() -> None:
    body = bytes(4 << 20)
    assert conversation(close("POST", "/echo", body)).partition(b"\r\n\r\n")[2] == body


def test_what_was_answered_early_does_not_become_the_next_request() -> None:
    first = b"POST /early HTTP/1.1\r\nHost: here\r\nContent-Length: 300000\r\n\r\n" + b"GET /x HTTP/1.1\r\n\r\n".ljust(
        300_000
    )
    answers = conversation(first + close("POST", "/echo", b"two"))
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.endswith(b"\r\n\r\ntwo")


def test_whoever_expects_100_continue_gets_it() -> None:
    sent = (
        b"PUT /echo HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    )
    assert conversation(sent, slowly=1).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert conversation(sent).startswith(b"HTTP/1.1 200 OK")  # what it asked about is here already


def test_a_header_never_begins_a_line_of_its_own() -> None:
    answer = conversation(close(path="/break"))
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"stolen" not in answer


def test_a_head_beyond_its_limit_is_refused() -> None:
    answer = conversation(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"x" * MAX_HEAD + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert conversation(b"GET /" + b"x" * (MAX_HEAD + 1) + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_absolute_request_lines_mean_their_path() -> None:
    answer = conversation(close(path="http://somewhere/echo?x=1"))
    assert b"x-path: /echo\r\nx-query: x=1\r\n" in answer


def test_what_is_not_ascii_or_not_http_is_refused() -> None:
    assert conversation(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: here\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert conversation(b"what is this\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_http_1_0_ends_with_its_answer() -> None:
    answer = conversation(b"GET /echo HTTP/1.0\r\n\r\n")
    assert b"connection: close" in answer


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    assert conversation(b"", keep_alive=0.05) == b""
    answer = conversation(b"GET /echo HTTP/1.1\r\nHost: here\r\n\r\n", keep_alive=0.05)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" not in answer


def test_a_connection_is_kept_for_the_next_request() -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\nend"
    answer = conversation(request, end=b"end")
    assert b"connection: close" not in answer


def test_a_connection_that_is_lost_leaves_nothing_to_the_garbage_collector() -> None:
    async def scene() -> None:
        connection = Connection(Server(application, date=str))
        connection.connection_made(asyncio.Transport())
        connection.data_received(b"GET /echo HTTP/1.1\r\n")
        left = weakref.ref(connection)
        connection.connection_lost(None)
        del connection
        assert left() is None

    gc.disable()
    try:
        asyncio.run(scene())
    finally:
        gc.enable()
