"""The limits' servers, started like the others that are measured."""

from __future__ import annotations

import http.client
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.limits import redis
from bench.servers import HERE, Server, free_port, listens


@dataclass(frozen=True)
class Limit:
    """What is measured on which server, by which operation of load.py (None: by the module of its name)."""

    name: str
    title: str
    server: str
    operation: str | None


LIMITS = (
    Limit("appends", "durable appends of 300 bytes", "appends", None),
    Limit("redis", "Redis SET, appendfsync always", "redis", None),
    Limit("reply", "bare uvicorn reply", "reply", "limit_reply"),
    Limit("send", "bare uvicorn + signature + SQLite group commit (SendMessage)", "signed", "limit_send"),
    Limit("put", "bare uvicorn + signature + SQLite group commit (PutItem)", "signed", "limit_put"),
    Limit("get", "bare uvicorn + signature + SQLite point read (GetItem)", "signed", "limit_get"),
    Limit("invoke", "bare uvicorn + Runtime API round trip (Invoke)", "runtime", "limit_invoke"),
)


def invokes(port: int) -> bool:
    """Whether the processes of functions are up: the first POST starts them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/", b"{}")
        return b"hello" in connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()


def make(name: str, data: Path) -> Server | None:
    """The server `name`, keeping its files in `data`; None where it is not installed."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    if name == "redis":
        if redis.installed() is None:
            return None
        data.mkdir(parents=True, exist_ok=True)
        return Server(name, redis.command(port), environment, port, listens)
    command = [sys.executable, "-m", f"bench.limits.{name}", str(port)]
    if name == "signed":
        data.mkdir(parents=True, exist_ok=True)
        command.append(str(data))
    return Server(name, command, environment, port, invokes if name == "runtime" else listens)
