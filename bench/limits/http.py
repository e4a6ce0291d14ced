"""What the bare servers share: a raw ASGI application on uvicorn with httptools and uvloop, access log off."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


SWITCH_INTERVAL = 0.0005
"""Seconds, as in Freehold: at Python's default of 5 ms a busy event loop starves the writer's thread."""


async def read(receive: Receive) -> bytes:
    """The whole body of a request."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def answer(send: Send, body: bytes, status: int = 200) -> None:
    """A whole JSON answer."""
    headers = [(b"content-type", b"application/x-amz-json-1.0"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def run(application: Application, port: int) -> None:
    """Serve on loopback until SIGTERM."""
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    sys.setswitchinterval(0.0005)
    sys.setswitchinterval(SWITCH_INTERVAL)
    uvicorn.Server(config).run()
