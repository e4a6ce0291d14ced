"""Signature, one row, one group commit, answer: `python -m bench.limits.signed PORT DIRECTORY`.

It understands the three requests that it is compared with: SendMessage and PutItem put a row of the size of their body
(SendMessage at the end of the table, PutItem at its key), GetItem reads the row that PutItem put. Each is parsed with
orjson, and nothing of it is validated.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from pathlib import Path
from typing import Any

import orjson

from bench.limits import signature
from bench.limits.http import Application, Receive, Scope, Send, answer, read, run
from bench.limits.rows import Rows

REFUSED = b'{"__type":"InvalidSignatureException"}'


def make(rows: Rows) -> Application:
    """The application over a table."""
    numbers = itertools.count(1)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read(receive)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not signature.valid(scope["method"], scope["path"], headers, body):
            await answer(send, REFUSED, 403)
            return
        asked = orjson.loads(body)
        operation = headers[b"x-amz-target"].rpartition(b".")[2]
        if operation == b"SendMessage":
            number = next(numbers)
            text = asked["MessageBody"].encode()
            await rows.put(b"message/%016d" % number, body)
            said = {"MD5OfMessageBody": hashlib.md5(text).hexdigest(), "MessageId": f"{number:032x}"}
            await answer(send, orjson.dumps(said))
        elif operation == b"PutItem":
            await rows.put(_key(asked["Item"]), orjson.dumps(asked["Item"]))
            await answer(send, b"{}")
        elif operation == b"GetItem":
            found = rows.get(_key(asked["Key"]))
            await answer(send, b"{}" if found is None else orjson.dumps({"Item": orjson.loads(found)}))
        else:
            await answer(send, b'{"__type":"UnknownOperationException"}', 400)

    return application


def _key(item: dict[str, Any]) -> bytes:
    return f"item/{item['pk']['S']}/{item['sk']['S']}".encode()


if __name__ == "__main__":
    run(make(Rows(Path(sys.argv[2]))), int(sys.argv[1]))
