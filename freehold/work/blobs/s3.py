"""Requests to an S3-compatible store: signed, repeated with bounded backoff, answered whole.

A request is tried up to TRIES times where the store did not answer, was overloaded (429, 503) or failed (5xx): all
requests here may be repeated. Credentials never reach a log or a message.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.wire.signingkeys import signing_key
from freehold.wire.sigv4 import ALGORITHM
from freehold.work.blobs.base import BlobsUnreachable, BlobsUnusable
from freehold.work.blobs.place import Bucket
from freehold.work.outgoing import Pool, Unreached

TRIES = 9
FIRST_S = 0.1
MOST_S = 4.0
"""Seconds of the first and the longest pause between tries; all of them together stay below 16 s."""
CONNECT_S = 3.0
ANSWER_S = 30.0
"""Seconds until an attempt to connect, or without a byte from the store, counts as failed."""
WHOLE_S = 600.0
"""Seconds that a request may take however its bytes trickle."""
MAX_BODY = 64 << 20
"""Bytes of an answer. The largest that is asked for is a part of an object."""
CONNECTIONS = 64
_HASH_BESIDE = 1 << 20
"""Bytes from which on a body is hashed beside the event loop."""
_AGAIN = frozenset({"RequestTimeout", "OperationAborted", "SlowDown", "InternalError", "ServiceUnavailable"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})


class Keys(NamedTuple):
    """Credentials, as they are now."""

    access_key: str
    secret: str
    token: str | None

    def __repr__(self) -> str:
        return "Keys(...)"


Credentials = Callable[[bool], Awaitable[Keys]]
"""The credentials to sign with; True: those of before have expired."""


class Answer(NamedTuple):
    """An answer of the store. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def text(self, tag: str) -> str:
        """What the first element `tag` of the answer's XML holds."""
        return text_of(self.body.decode("utf-8", "replace"), tag)

    @property
    def at(self) -> float | None:
        """What time it is on the store (wall seconds)."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except ValueError:
            return None


def text_of(xml: str, tag: str) -> str:
    """What the first element `tag` holds, unescaped; empty where there is none."""
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", xml)
    return unescape(found[1]) if found else ""


class S3:
    """One bucket."""

    def __init__(self, bucket: Bucket, credentials: Credentials, clock: Clock, ids: Ids) -> None:
        self._bucket, self._credentials, self._clock, self._ids = bucket, credentials, clock, ids
        self._base, self._host = bucket.base, urlsplit(bucket.base).netloc
        self._pool = Pool(connections=CONNECTIONS)

    async def close(self) -> None:
        await self._pool.close()

    def ahead(self, answer: Answer) -> float:
        """By how many seconds the store's clock is ahead of ours."""
        at = answer.at
        return 0.0 if at is None else at - self._clock.wall()

    async def request(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        good: tuple[int, ...] = (200,),
        tries: int = TRIES,
    ) -> Answer:
        """One request to `key` of the bucket (empty: to the bucket itself).

        Raises FileNotFoundError for a key that is not there, BlobsUnusable where the store refuses, BlobsUnreachable
        when `tries` attempts brought no answer.
        """
        digest = hashlib.sha256
        hashed = (await asyncio.to_thread(digest, body) if len(body) > _HASH_BESIDE else digest(body)).hexdigest()
        trouble, expired = "", False
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(self._ids.uniform(0.5, 1.0) * min(MOST_S, FIRST_S * 2 ** (attempt - 1)))
            keys = await self._credentials(expired)
            url, signed = self._signed(method, key, query or {}, dict(headers or {}), hashed, keys)
            answer = await self._once(method, url, signed, body)
            if isinstance(answer, str):
                trouble = answer
                continue
            if answer.status in good:
                return answer
            code = answer.text("Code")
            expired = code in _EXPIRED
            if answer.status >= 500 or answer.status == 429 or code in _AGAIN or expired:
                trouble = f"it answered {answer.status} {code}".rstrip()
                continue
            raise self._refusal(method, key, answer, code)
        raise BlobsUnreachable(f"The object store of the blobs, {self._bucket}, did not do {method}: {trouble}.")

    def _refusal(self, method: str, key: str, answer: Answer, code: str) -> OSError:
        if answer.status == 404 and code != "NoSuchBucket" and key:
            return FileNotFoundError(f"{key} is not in {self._bucket}")
        message = answer.text("Message")
        said = f"{answer.status} {code}: {message}" if code else str(answer.status)
        return BlobsUnusable(f"The object store of the blobs, {self._bucket}, refuses {method}: {said}")

    async def _once(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer | str:
        """An answer, or why there is none."""
        try:
            found = await self._pool.send(
                method,
                url,
                headers,
                body,
                seconds=WHOLE_S,
                connect_s=CONNECT_S,
                silence_s=ANSWER_S,
                most=MAX_BODY,
            )
        except Unreached as unreached:
            return str(unreached)
        return Answer(found.status, found.headers, found.body)

    def _signed(
        self, method: str, key: str, query: Mapping[str, str], headers: dict[str, str], hashed: str, keys: Keys
    ) -> tuple[str, dict[str, str]]:
        """URL and headers, with Signature Version 4. Keys hold nothing that needs encoding."""
        path = urlsplit(self._base).path + (f"/{key}" if key else "/" if self._bucket.virtual else "")
        spelled = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items())
        )
        when = datetime.fromtimestamp(self._clock.wall(), UTC).strftime("%Y%m%dT%H%M%SZ")
        headers |= {"host": self._host, "x-amz-content-sha256": hashed, "x-amz-date": when}
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        names = sorted(headers)
        canonical = "\n".join(
            [method, path, spelled, *(f"{name}:{headers[name].strip()}" for name in names), "", ";".join(names), hashed]
        )
        scope = f"{when[:8]}/{self._bucket.region}/s3/aws4_request"
        text = f"{ALGORITHM}\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key_of_day = signing_key(keys.secret, when[:8], self._bucket.region, "s3")
        signature = hmac.digest(key_of_day, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        address = urlsplit(self._base)
        url = f"{address.scheme}://{address.netloc}{path}" + (f"?{spelled}" if spelled else "")
        return url, headers
