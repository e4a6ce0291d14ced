"""The bare servers are honest: what is not signed is refused, and what is acknowledged is durable."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.limits import appends, signature
from bench.limits.rows import Rows
from bench.limits.signed import make

SEND = orjson.dumps({"QueueUrl": "http://h/0/q", "MessageBody": "hello"})
PUT = orjson.dumps({"TableName": "t", "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}, "n": {"N": "1"}}})
GET = orjson.dumps({"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}})


def headers(target: str, body: bytes, secret: str = "test") -> dict[bytes, bytes]:
    request = AWSRequest("POST", "http://h/", headers={"Host": "h", "X-Amz-Target": target}, data=body)
    SigV4Auth(Credentials("test", secret), "sqs", "us-east-1").add_auth(request)
    return {name.lower().encode(): str(value).encode() for name, value in request.headers.items()}


def test_a_signature_of_botocore_is_valid() -> None:
    given = headers("AmazonSQS.SendMessage", SEND)
    assert signature.valid("POST", "/", given, SEND)


def test_whatever_is_not_signed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = headers("AmazonSQS.SendMessage", SEND)
    assert not signature.valid("POST", "/", given, SEND + b" ")
    assert not signature.valid("POST", "/other", given, SEND)
    assert not signature.valid("POST", "/", {**given, b"x-amz-target": b"AmazonSQS.Purge"}, SEND)
    assert not signature.valid("POST", "/", headers("AmazonSQS.SendMessage", SEND, "wrong"), SEND)
    assert not signature.valid("POST", "/", {}, SEND)
    later = time.time() + 3600
    monkeypatch.setattr(signature.time, "time", lambda: later)
    assert not signature.valid("POST", "/", given, SEND)


async def call(application: Any, given: dict[bytes, bytes], body: bytes) -> tuple[int, Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"method": "POST", "path": "/", "headers": list(given.items())}, receive, send)
    return sent[0]["status"], orjson.loads(sent[1]["body"])


def test_what_is_acknowledged_is_in_the_file(tmp_path: Path) -> None:
    async def run() -> None:
        application = make(Rows(tmp_path))
        status, answer = await call(application, headers("AmazonSQS.SendMessage", SEND), SEND)
        assert (status, answer["MD5OfMessageBody"]) == (200, "5d41402abc4b2a76b9719d911017c592")
        # As another process sees it, at once.
        other = apsw.Connection(str(tmp_path / "rows.db"), flags=apsw.SQLITE_OPEN_READONLY)
        assert other.execute("SELECT v FROM kv").get == SEND
        assert await call(application, headers("D.GetItem", GET), GET) == (200, {})
        assert await call(application, headers("D.PutItem", PUT), PUT) == (200, {})
        status, answer = await call(application, headers("D.GetItem", GET), GET)
        assert answer == {"Item": orjson.loads(PUT)["Item"]}
        assert (await call(application, headers("D.PutItem", PUT, "wrong"), PUT))[0] == 403

    asyncio.run(run())


def test_commits_are_synced(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    pragmas = {name: rows._writer.pragma(name) for name in ("synchronous", "journal_mode", "page_size")}
    assert pragmas == {"synchronous": 2, "journal_mode": "wal", "page_size": 8192}


def test_many_rows_share_commits(tmp_path: Path) -> None:
    async def run() -> None:
        rows = Rows(tmp_path)
        await asyncio.gather(*(rows.put(b"%d" % number, b"v") for number in range(500)))
        assert rows.get(b"499") == b"v" and rows.get(b"500") is None

    asyncio.run(run())


def test_appends(tmp_path: Path) -> None:
    found = appends.measure(tmp_path, 32, 0.02)
    assert found["rps"] > 32 and found["p99_ms"] >= found["p50_ms"] > 0
    assert not (tmp_path / "appends").exists()
