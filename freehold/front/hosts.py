"""Which front door a request knocks at: an AWS endpoint, an application's host, a virtual-hosted bucket, or control.

Applications answer at `{id}.execute-api.localhost:4566/...` and `{id}.lambda-url.{region}.localhost:4566/...`; the same
doors by path, for clients whose resolver does not know `*.localhost`: `/_apis/{id}/...`, `/_lambda-url/{id}/...`.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from freehold.kit.http import Request

PATH_ALIASES = {"_apis": "execute-api"}
_BUCKET_SUFFIXES = (".localhost", ".amazonaws.com", ".localhost.localstack.cloud")


@dataclass(frozen=True, slots=True)
class Door:
    """An application's front door: `name` is what a manifest registered, `id` whose it is, `path` what is left."""

    name: str
    id: str
    path: str
    base_path: str
    region: str | None = None


def door(request: Request, names: Container[str]) -> Door | None:
    """The application door a request means, or None when it is for an AWS endpoint."""
    if request.path.startswith("/_"):
        return _door_by_path(request.path, names)
    labels = _labels(request.host)
    if len(labels) >= 3 and labels[1] in names:
        region = labels[2] if labels[2] != "localhost" and len(labels) >= 4 else None
        return Door(labels[1], labels[0], request.path or "/", "", region)
    return None


@lru_cache(maxsize=1024)
def _labels(host: str) -> list[str]:
    return host.partition(":")[0].split(".")


def _door_by_path(path: str, names: Container[str]) -> Door | None:
    first, _, rest = path[1:].partition("/")
    name = PATH_ALIASES.get(first, first[1:])
    if name not in names:
        return None
    ident, slash, rest = rest.partition("/")
    return Door(name, ident, slash + rest if slash else "/", f"/{first}/{ident}")


def path_style(request: Request) -> str | None:
    """The path-style path of a virtual-hosted S3 request (`bucket.s3.localhost`, `bucket.localhost`), else None."""
    host = request.host
    if not host or host[0] == "[":
        return None
    name = host.partition(":")[0]
    if name.replace(".", "").isdigit():
        return None
    bucket = _bucket(name)
    return f"/{quote(bucket)}{request.path}" if bucket else None


def _bucket(name: str) -> str | None:
    for suffix in _BUCKET_SUFFIXES:
        if name.endswith(suffix):
            front = name[: -len(suffix)]
            break
    else:
        return None
    labels = front.split(".")
    for index, label in enumerate(labels):
        if label == "s3" or label.startswith("s3-"):
            return ".".join(labels[:index]) or None
    # `bucket.localhost` is what SDKs make of the endpoint http://localhost; amazonaws.com hosts always name the service.
    return front if suffix == ".localhost" else None
