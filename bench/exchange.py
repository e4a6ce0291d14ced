"""One request at a time, of bytes that were prebuilt."""

from __future__ import annotations

import socket


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send a request; the body of its answer, which has a length. Raises RuntimeError for a status other than 2xx."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(1 << 16)
        if not piece:
            raise ConnectionError("the server closed the connection")
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(1 << 16)
    if head[9:10] != b"2":
        raise RuntimeError(f"refused: {head[:40]!r} {body[:300]!r}")
    return body
