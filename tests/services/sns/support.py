"""SNS on the memory store and the manual clock, without HTTP. Queues and functions are recorded, endpoints answer what
a test says; what a target is sent lands in `sent`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from freehold.kit.faults import Fault
from freehold.kit.http import Request
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.ports.identity import Source
from freehold.ports.manifest import HostRequest
from freehold.ports.queues import Outgoing
from freehold.services.sns import mailbox, service, signing, subscriptions
from freehold.services.sns.port import TopicsPort
from freehold.store.base import Tx
from freehold.work.outgoing import Outgoing as Requests
from freehold.work.traces import Traces
from tests.services.house import ACCOUNT, REGION, House, scenarios

OTHER = "444455556666"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
FIFO = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders.fifo"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/logs"


@lru_cache
def _key() -> bytes:
    return msgspec.msgpack.encode(signing._make(1_700_000_000.0, 7))


@dataclass
class Sent:
    """What a queue or a function received at a service time."""

    target: str
    body: str
    at_ms: int
    id: str
    source: Source
    trace: str | None
    message: Outgoing | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Post:
    """What an HTTP endpoint received."""

    url: str
    headers: dict[str, str]
    body: str
    at_ms: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Ports:
    """Stands for queues and functions. Rows in the store keep what a body that runs twice did once."""

    def __init__(self, house: Sns) -> None:
        self._house = house

    def _receive(self, tx: Tx, sent: Sent) -> None:
        if sent.target in self._house.refusing:
            raise self._house.refusing[sent.target]
        tx.put(pack("test", "sent", sent.target, sent.id), b"")
        self._house.written.setdefault((sent.target, sent.id), sent)

    def send(self, tx: Tx, arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        for each in messages:
            self._receive(tx, Sent(arn, each.body, now_ms, each.id, source, each.trace, each))
        return [None for _ in messages]

    def enqueue(
        self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source, trace: str | None = None
    ) -> None:
        self._receive(tx, Sent(arn, payload.decode(), now_ms, id, source, trace))


class Logs:
    """Stands for CloudWatch Logs."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    def write(self, account: str, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        assert (account, region) == (ACCOUNT, REGION)
        self.lines.extend((group, json.loads(line)) for _, line in events)


class Sns(House):
    """`answer` is what endpoints answer; `refusing` says which targets take nothing."""

    model = "sns"
    manifests = (service.MANIFEST,)

    def __init__(self) -> None:
        self.refusing: dict[str, Fault] = {}
        self.written: dict[tuple[str, str], Sent] = {}
        self.posts: list[Post] = []
        self.answer: Callable[[Post], int] = lambda post: 200
        self.logs = Logs()
        super().__init__()
        self.port = self.platform.topics = TopicsPort(self.platform)

    def rooms(self) -> dict[str, Any]:
        ports = Ports(self)
        return {
            "logs": self.logs,
            "traces": Traces(self.store, self.clock, Ids(5), self.tasks),
            "functions": ports,
            "queues": ports,
            "outgoing": Requests(transport=httpx.MockTransport(self._endpoint)),
        }

    def _endpoint(self, request: httpx.Request) -> httpx.Response:
        post = Post(str(request.url), dict(request.headers), request.content.decode(), self.clock.now_ms())
        self.posts.append(post)
        status = self.answer(post)
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, content=_answered())

    async def start(self) -> None:
        await self.store.transact(lambda tx: tx.put(pack("sns", "signing"), _key()))
        await super().start()

    @property
    def sent(self) -> list[Sent]:
        return list(self.written.values())

    def to(self, target: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.target == target]

    async def topic(self, name: str = "news", **attributes: str) -> str:
        if name.endswith(".fifo"):
            attributes = {"FifoTopic": "true", **attributes}
        return str((await self("CreateTopic", Name=name, Attributes=attributes))["TopicArn"])

    async def subscribe(self, topic: str, endpoint: str = QUEUE, protocol: str = "sqs", **attributes: str) -> str:
        found = await self(
            "Subscribe",
            TopicArn=topic,
            Protocol=protocol,
            Endpoint=endpoint,
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )
        return str(found["SubscriptionArn"])

    async def publish(self, topic: str, message: str = "hello", **more: Any) -> str:
        return str((await self("Publish", TopicArn=topic, Message=message, **more))["MessageId"])

    async def mails(self, kind: str | None = None) -> list[dict[str, Any]]:
        query = {"account": ACCOUNT, "region": REGION} | ({"kind": kind} if kind else {})
        return list((await mailbox.control(self.platform, query))["messages"])

    async def visit(self, url: str) -> tuple[int, str]:
        """GET a link or a certificate of this server."""
        path, _, query = url.removeprefix(self.platform.settings.url).partition("?")
        door, _, ident = path.removeprefix("/_").partition("/")
        asked = HostRequest(Request("GET", path, query), ident, "/", f"/_{door}", "localhost", "request-1")
        handler = {signing.DOOR: signing.serve, "sns-subscriptions": subscriptions.serve_link}[door]
        response = await handler(self.platform, asked)
        assert response is not None
        assert isinstance(response.body, bytes)
        return response.status, response.body.decode()


async def _answered() -> AsyncIterator[bytes]:
    yield b"answered"


def string(value: str, kind: str = "String") -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}


async def verify(sns: Sns, envelope: dict[str, Any], names: tuple[str, ...] = ()) -> None:
    """As AWS documents it: the certificate from SigningCertURL, the fields in order."""
    url = envelope.get("SigningCertURL") or envelope["SigningCertUrl"]
    _, pem = await sns.visit(url)
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    fields = names or ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{name}\n{envelope[name]}\n" for name in fields if envelope.get(name) is not None)
    algorithm = hashes.SHA256() if envelope["SignatureVersion"] == "2" else hashes.SHA1()
    key.verify(base64.b64decode(envelope["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


scenario = scenarios(Sns)
