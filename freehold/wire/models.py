"""Service models: botocore's descriptions of AWS services, read directly and compiled operation by operation."""

from __future__ import annotations

import gzip
import importlib.util
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson

from freehold.wire.base import EC2, JSON, QUERY
from freehold.wire.patches import patch_of
from freehold.wire.patches.base import Patch
from freehold.wire.shapes import Shape

_EMPTY: Mapping[str, Any] = {}


class Operation:
    """One operation of a service; see `wire.base.Operation`. Shapes are resolved at first use."""

    def __init__(self, service: Service, raw: Mapping[str, Any]) -> None:
        self.service = service
        self.raw = raw
        self.name: str = raw["name"]
        http = raw.get("http", _EMPTY)
        self.http_method: str = http.get("method", "POST")
        self.http_path: str = http.get("requestUri", "/")
        self.http_status: int = http.get("responseCode", 200)
        self.max_body = service.patch.max_body_of(self.name)
        self.compressible = "requestcompression" in raw
        self.parsers: dict[str, Callable[..., dict[str, Any]]] = {}
        self.renderers: dict[str, Callable[..., Any]] = {}
        self.validator: Callable[[dict[str, Any]], None] | None = None

    def __repr__(self) -> str:
        return f"<Operation {self.service.name}.{self.name}>"

    @cached_property
    def snake_name(self) -> str:
        return snake_case(self.name)

    @cached_property
    def input(self) -> Shape | None:
        return Shape(self.service.shapes, self.raw["input"]) if "input" in self.raw else None

    @cached_property
    def output(self) -> Shape | None:
        return Shape(self.service.shapes, self.raw["output"]) if "output" in self.raw else None

    @cached_property
    def streaming_input(self) -> str | None:
        return _streaming(self.input)

    @cached_property
    def streaming_output(self) -> str | None:
        return _streaming(self.output)

    @cached_property
    def event_stream_output(self) -> str | None:
        return _event_stream(self.output)

    @cached_property
    def event_stream_input(self) -> str | None:
        """Name of the input member that is an event stream, if any."""
        return _event_stream(self.input)


def _streaming(shape: Shape | None) -> str | None:
    payload: str | None = shape.traits.get("payload") if shape is not None else None
    if shape is None or payload is None:
        return None
    member = shape.members[payload]
    return payload if member.streaming and member.type == "blob" else None


def _event_stream(shape: Shape | None) -> str | None:
    if shape is None:
        return None
    return next((name for name, member in shape.members.items() if member.event_stream), None)


class _Operations(Mapping[str, Operation]):
    """Operations by name, made when they are first asked for."""

    def __init__(self, service: Service, raw: Mapping[str, Any]) -> None:
        self._service = service
        self._raw = raw
        self._made: dict[str, Operation] = {}

    def __getitem__(self, name: str) -> Operation:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = Operation(self._service, self._raw[name])
        return found

    def get(self, name: str, default: Any = None) -> Any:
        found = self._made.get(name)
        if found is not None:
            return found
        return self[name] if name in self._raw else default

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Service:
    """One AWS service; see `wire.base.Service`."""

    def __init__(self, name: str, model: Mapping[str, Any], patch: Patch) -> None:
        metadata = model["metadata"]
        self.name = name
        self.patch = patch
        self.metadata: Mapping[str, Any] = metadata
        self.shapes: Mapping[str, Any] = patch.with_lengths(patch.with_media_types(model.get("shapes", _EMPTY)))
        self.signing_name = _signing_name(name, metadata)
        self.target_prefix: str | None = metadata.get("targetPrefix")
        self.api_version: str = metadata.get("apiVersion", "")
        self.json_version: str = str(metadata.get("jsonVersion", "1.1"))
        self.query_compatible = "awsQueryCompatible" in metadata
        listed = tuple(metadata.get("protocols") or (metadata["protocol"],))
        self.protocols: tuple[str, ...] = listed + tuple(p for p in patch.protocols if p not in listed)
        self.operations = _Operations(self, model.get("operations", _EMPTY))
        self.compiled: dict[Any, Any] = {}
        """Closures by (codec, shape name), shared by the operations of the service."""

    @classmethod
    def from_model(cls, name: str, model: Mapping[str, Any]) -> Service:
        """A service of a raw model, as botocore's files hold it."""
        return cls(name, model, patch_of(name))

    def __repr__(self) -> str:
        return f"<Service {self.name}>"

    @cached_property
    def error_codes(self) -> dict[str, int]:
        """HTTP status by modelled error shape name."""
        found = {}
        for name, raw in self.shapes.items():
            if raw.get("exception") or "error" in raw:
                default = 500 if raw.get("fault") else 400
                found[name] = raw.get("error", _EMPTY).get("httpStatusCode", default)
        return {**found, **self.patch.statuses}

    @cached_property
    def error_names(self) -> dict[str, str]:
        """Error shape name by wire code, for faults raised with the latter."""
        codes = {}
        for name in self.error_codes:
            raw = self.shapes.get(name, _EMPTY)
            codes[raw.get("error", _EMPTY).get("code", name)] = name
        codes.update({code: name for name, code in self.patch.query_codes.items()})
        return codes

    @cached_property
    def namespace(self) -> str:
        """The XML namespace of its answers by query and ec2."""
        found = self.metadata.get("xmlNamespace", "")
        return self.patch.namespace or (found if isinstance(found, str) else found.get("uri", ""))

    def names_for(self, protocol: str) -> Shapes:
        """How shapes are to be read for a protocol: a service may have other names in its older one."""
        if protocol in (QUERY, EC2) and self.patch.query_names and JSON in self.protocols:
            return self._query_shapes
        return self.shapes

    @cached_property
    def _query_shapes(self) -> Shapes:
        return self.patch.with_query_names(self.shapes)


Shapes = Mapping[str, Any]


def snake_case(name: str) -> str:
    """`PutItem` -> `put_item`, `ListObjectsV2` -> `list_objects_v2`, `CreateDBCluster` -> `create_db_cluster`."""
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spaced).replace("-", "_").lower()


@cache
def load(name: str) -> Service:
    """The newest model of the service that botocore calls `name` ("sqs", "lambda"). KeyError if there is none."""
    path = _model(name)
    raw = path.read_bytes()
    return Service.from_model(name, orjson.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw))


@cache
def signing_name(name: str) -> str:
    """`load(name).signing_name`, read from the head of the model alone: models are large. KeyError if there is none."""
    path = _model(name)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if path.suffix == ".gz":
        head = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    found = _METADATA.search(head)
    if found is None:
        return load(name).signing_name
    return _signing_name(name, orjson.loads(found[1]))


_HEAD = 4_096
_METADATA = re.compile(rb'"metadata"\s*:\s*(\{[^{}]*\})')


def _signing_name(name: str, metadata: Mapping[str, Any]) -> str:
    return metadata.get("signingName") or metadata.get("endpointPrefix") or name


def _model(name: str) -> Path:
    folder = _data() / name
    try:
        versions = sorted(entry.name for entry in folder.iterdir() if entry.name[:1].isdigit())
    except OSError:
        raise KeyError(name) from None
    path = folder / versions[-1] / "service-2.json"
    return path if path.exists() else path.with_suffix(".json.gz")


@cache
def _data() -> Path:
    # Found, not imported: importing botocore costs far more than reading the models.
    spec = importlib.util.find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("botocore is not installed: its service models are what Freehold speaks")
    return Path(spec.submodule_search_locations[0]) / "data"
