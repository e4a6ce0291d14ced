"""Requests that a guarded server must not answer: without a signature, or with one that is wrong in one way."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlencode

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from botocore.model import OperationModel

from fuzz.live.sending import Clients, Wire

Sign = Callable[[Any, Any], None]
STREAMED = "STREAMING-"


class Attacks:
    """Makes valid requests of one account's root invalid in one way each."""

    def __init__(self, clients: Clients, key: str, secret: str, seeded: random.Random) -> None:
        self._clients, self._seeded = clients, seeded
        self._key, self._secret = key, secret

    def make(self, service: str, operation: OperationModel, value: dict[str, Any]) -> tuple[str, Wire] | None:
        """The name of an attack and its request; None where this request cannot be attacked so."""
        kind = self._seeded.choice(sorted(_KINDS))
        wire = _KINDS[kind](self, service, operation, value)
        return None if wire is None else (kind, wire)

    def _signed(self, service: str, operation: OperationModel, value: dict[str, Any], sign: Sign | None = None) -> Wire:
        return self._clients.request(service, operation, value, sign=sign)

    def unsigned(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        wire = self._signed(service, operation, value)
        for name in (
            "Authorization",
            *self._seeded.choice(((), ("X-Amz-Date",), ("X-Amz-Content-SHA256", "X-Amz-Date"))),
        ):
            wire.headers.pop(name, None)
        return wire

    def garbled(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        """One character of the Authorization header is another."""
        wire, seeded = self._signed(service, operation, value), self._seeded
        header = wire.headers.get("Authorization", "")
        at = (
            header.find("Signature=") + 10 + seeded.randrange(64)
            if seeded.random() < 0.6
            else seeded.randrange(len(header) or 1)
        )
        old = header[at : at + 1]
        new = seeded.choice(
            [sign for sign in "0123456789abcdefZ/;, " if sign.lower() != old.lower() and (old != " " or sign != ",")]
        )
        wire.headers["Authorization"] = header[:at] + new + header[at + 1 :]
        if old in " ," and new in " ,;":  # spaces between its parts mean nothing
            return None
        return wire

    def stranger(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        """A key that nobody has, or the right key with another secret."""
        key = self._seeded.choice((self._key, "AKIAIOSFODNN7EXAMPLE", "000000000000", "test", ""))
        return self._signed(service, operation, value, self._with(key, "another secret"))

    def _with(self, key: str, secret: str, *, region: str = "us-east-1", scope: str = "", when: float = 0.0) -> Sign:
        def sign(client: Any, request: Any) -> None:
            signing_name = scope or client.meta.service_model.signing_name
            credentials = botocore.credentials.Credentials(key, secret)
            kind = (
                botocore.auth.S3SigV4Auth if client.meta.service_model.service_name == "s3" else botocore.auth.SigV4Auth
            )
            auth = kind(credentials, signing_name, region)
            if when:
                _at(auth, request, when)
            else:
                auth.add_auth(request)

        return sign

    def elsewhere(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        """Signed for another service."""
        mine = self._clients.of(service).meta.service_model.signing_name
        other = self._seeded.choice(
            [name for name in ("sqs", "dynamodb", "iam", "s3", "lambda", "nothing") if name != mine]
        )
        return self._signed(service, operation, value, self._with(self._key, self._secret, scope=other))

    def stale(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        """Signed too long ago, or too early."""
        when = self._seeded.choice((-90_000.0, -1_000.0, 1_000.0, 10.0**9))
        return self._signed(service, operation, value, self._with(self._key, self._secret, when=when))

    def changed(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        """Something that was signed is another."""
        wire, seeded = self._signed(service, operation, value), self._seeded
        kind = seeded.randrange(4)
        if kind == 0 and wire.body:
            if wire.headers.get("X-Amz-Content-SHA256", "").startswith((STREAMED, "UNSIGNED")):
                return None
            at = seeded.randrange(len(wire.body))
            wire.body = wire.body[:at] + bytes([wire.body[at] ^ (1 << seeded.randrange(8))]) + wire.body[at + 1 :]
        elif kind == 1:
            wire.path += ("&" if "?" in wire.path else "?") + "x=1"
        elif kind == 2:
            wire.headers["X-Amz-Date"] = wire.headers["X-Amz-Date"][:-2] + (
                "1Z" if wire.headers["X-Amz-Date"][-2] != "1" else "2Z"
            )
        else:
            wire.headers["Host"] = "elsewhere.example"
        return wire

    def presigned(self, service: str, operation: OperationModel, value: dict[str, Any]) -> Wire | None:
        """A URL that has expired, or of which something was changed."""
        seeded = self._seeded
        expired = seeded.random() < 0.5

        def sign(client: Any, request: Any) -> None:
            name = client.meta.service_model.service_name
            kind = botocore.auth.S3SigV4QueryAuth if name == "s3" else botocore.auth.SigV4QueryAuth
            credentials = botocore.credentials.Credentials(self._key, self._secret)
            auth = kind(credentials, client.meta.service_model.signing_name, "us-east-1", expires=60)
            if expired:
                _at(auth, request, -3_600.0)
            else:
                auth.add_auth(request)

        wire = self._signed(service, operation, value, sign)
        if not expired:
            path, _, query = wire.path.partition("?")
            pairs = parse_qsl(query, keep_blank_values=True)
            at = seeded.randrange(len(pairs))
            name, text = pairs[at]
            if name == "X-Amz-Algorithm" and seeded.random() < 0.5:
                del pairs[at]
            elif name.startswith("X-Amz-"):
                pairs[at] = (name, text[:-1] + ("1" if text[-1:] != "1" else "2"))
            else:
                pairs.append(("x", "1"))
            wire.path = f"{path}?{urlencode(pairs)}"
        return wire


def _at(auth: Any, request: Any, seconds: float) -> None:
    """Sign as if the clock were so many seconds off."""
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None)):
        auth.add_auth(request)


_KINDS: dict[str, Callable[[Attacks, str, OperationModel, dict[str, Any]], Wire | None]] = {
    "unsigned": Attacks.unsigned,
    "garbled": Attacks.garbled,
    "stranger": Attacks.stranger,
    "elsewhere": Attacks.elsewhere,
    "stale": Attacks.stale,
    "changed": Attacks.changed,
    "presigned": Attacks.presigned,
}
