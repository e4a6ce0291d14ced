"""Where Lambda's rows lie and how they are written.

Below `("lambda", account, region)`:

    "f", name              Function: what the versions share
    "g", name              its stamp: changes with anything that decides what an invocation runs
    "v", name, number      Version; 0 is $LATEST
    "a", name, alias       Alias
    "p", name, qualifier   Policy; "" is the function itself
    "u", name, qualifier   FunctionUrl
    "i", name, qualifier   InvokeConfig; "$LATEST" is the function itself
    "c"                    reserved concurrency by function name, one row
    "s", name              Ledger: what the nodes of a cluster may run of a pool of concurrency (ledgers.py)
    "l", layer, number     LayerVersion
    "n", layer             the layer's last version number
    "q", layer, number     Policy of a layer version

Global: `("lambda", "package", sha256)` Package, `("lambda", "url", id)` the owner of a function URL,
`("lambda", "code-key")` the secret that signs download addresses.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from freehold.kit.tuples import pack, span
from freehold.services.lambda_.model import (
    Alias,
    Function,
    FunctionUrl,
    InvokeConfig,
    LayerVersion,
    Package,
    Policy,
    Version,
)
from freehold.store.base import ReadTx, Tx

T = TypeVar("T")

SERVICE = "lambda"
CODE_KEY = pack(SERVICE, "code-key")


class Keys(NamedTuple):
    """The keys of one account and region."""

    account: str
    region: str

    def function(self, name: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "f", name)

    def functions(self) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "f")

    def stamp(self, name: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "g", name)

    def version(self, name: str, number: int) -> bytes:
        return pack(SERVICE, self.account, self.region, "v", name, number)

    def versions(self, name: str) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "v", name)

    def all_versions(self) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "v")

    def alias(self, name: str, alias: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "a", name, alias)

    def aliases(self, name: str) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "a", name)

    def policy(self, name: str, qualifier: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "p", name, qualifier)

    def policies(self, name: str) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "p", name)

    def url(self, name: str, qualifier: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "u", name, qualifier)

    def urls(self, name: str) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "u", name)

    def invoke_config(self, name: str, qualifier: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "i", name, qualifier)

    def invoke_configs(self, name: str) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "i", name)

    def reserved(self) -> bytes:
        return pack(SERVICE, self.account, self.region, "c")

    def slots(self, name: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "s", name)

    def layer(self, name: str, number: int) -> bytes:
        return pack(SERVICE, self.account, self.region, "l", name, number)

    def layer_versions(self, name: str) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "l", name)

    def layer_number(self, name: str) -> bytes:
        return pack(SERVICE, self.account, self.region, "n", name)

    def layer_numbers(self) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "n")

    def all_layer_versions(self) -> tuple[bytes, bytes]:
        return span(SERVICE, self.account, self.region, "l")

    def layer_policy(self, name: str, number: int) -> bytes:
        return pack(SERVICE, self.account, self.region, "q", name, number)


def package_key(sha256: str) -> bytes:
    return pack(SERVICE, "package", sha256)


def url_owner_key(url_id: str) -> bytes:
    return pack(SERVICE, "url", url_id)


class Codec(Generic[T]):
    """Rows of one type."""

    def __init__(self, kind: Any) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def get(self, tx: ReadTx, key: bytes) -> T | None:
        raw = tx.get(key)
        return None if raw is None else self.load(raw)

    def put(self, tx: Tx, key: bytes, value: T) -> None:
        tx.put(key, self._encode(value))

    def load(self, raw: bytes) -> T:
        value: T = self._decode(raw)
        return value


functions: Codec[Function] = Codec(Function)
versions: Codec[Version] = Codec(Version)
aliases: Codec[Alias] = Codec(Alias)
packages: Codec[Package] = Codec(Package)
policies: Codec[Policy] = Codec(Policy)
urls: Codec[FunctionUrl] = Codec(FunctionUrl)
invoke_configs: Codec[InvokeConfig] = Codec(InvokeConfig)
layer_versions: Codec[LayerVersion] = Codec(LayerVersion)
counts: Codec[dict[str, int]] = Codec(dict[str, int])
numbers: Codec[int] = Codec(int)
url_owners: Codec[tuple[str, str, str, str]] = Codec(tuple[str, str, str, str])
