"""AWS's official protocol vectors, turned round for a server. See ../shared/vectors/README.md for what they are."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.kit.http import Request
from freehold.wire.models import Operation, Service
from freehold.wire.shapes import Shape

SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors"
PROTOCOLS = SHARED / "protocols"


@dataclass
class Case:
    """One vector: its suite's model with the one operation it is about."""

    file: str
    protocol: str
    suite: dict[str, Any]
    raw: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.file}-{self.raw.get('id') or self.suite['description']}"

    @property
    def model(self) -> dict[str, Any]:
        given = self.raw["given"]
        if self.protocol == "query" and "output" in given:
            # Real models name the wrapper; the vectors leave it to the rule that they all follow.
            given = {**given, "output": {**given["output"], "resultWrapper": f"{given['name']}Result"}}
        return {
            "metadata": {"endpointPrefix": "vectors", "serviceId": "Vectors", **self.suite["metadata"]},
            "shapes": self.suite["shapes"],
            "operations": {given["name"]: given},
        }

    def operation(self) -> Operation:
        return Service.from_model("vectors", self.model).operations[self.raw["given"]["name"]]


def cases(direction: str) -> Iterator[Case]:
    """Every vector of a direction ("input", "output") but those that AWS's own client leaves out."""
    if not PROTOCOLS.exists():
        return
    ignored = json.loads((PROTOCOLS / "protocol-tests-ignore-list.json").read_text())
    suites = set(ignored["general"].get(direction, {}).get("suites", ()))
    for path in sorted((PROTOCOLS / direction).glob("*.json")):
        own = ignored["protocols"].get(path.stem, {}).get(direction, {})
        left_out = set(own.get("cases", ()))
        left_out_suites = suites | set(own.get("suites", ()))
        for suite in json.loads(path.read_text()):
            if suite["description"] in left_out_suites:
                continue
            for raw in suite["cases"]:
                if raw.get("id") not in left_out:
                    yield Case(path.stem, suite["metadata"]["protocol"], suite, raw)


def request_of(case: Case) -> Request:
    """The request that a client sends for an input vector."""
    serialized = case.raw["serialized"]
    path, _, query = serialized["uri"].partition("?")
    body = serialized.get("body") or ""
    raw = base64.b64decode(body) if case.protocol == "smithy-rpc-v2-cbor" else body.encode()
    headers = {name.lower(): value for name, value in serialized.get("headers", {}).items()}
    if case.protocol == "json":  # the endpoint suites leave it out, no client does
        metadata = case.suite["metadata"]
        headers.setdefault("x-amz-target", f"{metadata['targetPrefix']}.{case.raw['given']['name']}")
    return Request(serialized.get("method", "POST"), path, query, headers, raw)


def plain(value: Any) -> Any:
    """A parsed value as the vectors write it: text for blobs, names for odd floats."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if hasattr(value, "timestamp"):
        return value.timestamp()
    return value


def native(value: Any, shape: Shape) -> Any:
    """A vector's value as a handler gives it: bytes for blobs, floats for their names."""
    if shape.type == "structure" and isinstance(value, dict) and not shape.document:
        return {name: native(item, shape.members[name]) for name, item in value.items() if name in shape.members}
    if shape.type == "list":
        return [native(item, shape.element) for item in value]
    if shape.type == "map":
        return {key: native(item, shape.value) for key, item in value.items()}
    if shape.type in ("float", "double"):
        return float(value)
    if shape.type == "blob" and isinstance(value, str):
        return value.encode()
    return value
