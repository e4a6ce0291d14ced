"""S3 URLs in every form that AWS and this server accept, read without any I/O.

`s3://bucket/key`, virtual-hosted (`https://bucket.s3.region.amazonaws.com/key`, `bucket.s3-region`, `bucket.s3`,
dual-stack), path style (`https://s3.region.amazonaws.com/bucket/key`), and the same two on this server's own address
(`http://127.0.0.1:4566/bucket/key`, `http://bucket.localhost:4566/key`, `http://bucket.s3.localhost:4566/key`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from freehold.kit.numerals import whole

_AWS_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class S3Location(NamedTuple):
    """Where an object is. `key` may be empty where the URL names a bucket alone."""

    bucket: str
    key: str
    version_id: str | None = None


def parse(url: str, own_hosts: Iterable[str] = ()) -> S3Location | None:
    """The object that a URL names, or None where it is no S3 URL.

    `own_hosts` are the names of this server besides loopback's, with or without a port (`freehold.example:4566`);
    a port in `own_hosts` must match, a name without one matches any port.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme == "s3":
        # A bucket's name is the authority, taken as it stands.
        return _location(parts.netloc, parts.path, parts.query)
    if parts.scheme not in ("http", "https") or not host:
        return None
    for suffix in _AWS_SUFFIXES:
        if host.endswith(suffix):
            return _hosted(host[: -len(suffix)], parts.path, parts.query, required=True)
    for own in (*_LOOPBACK, *own_hosts):
        name, own_port = _split_port(own.lower())
        if own_port is not None and own_port != port:
            continue
        if host == name:
            return _in_path(parts.path, parts.query)
        if host.endswith("." + name):
            return _hosted(host[: -len(name) - 1], parts.path, parts.query, required=False)
    return None


def _hosted(front: str, path: str, query: str, *, required: bool) -> S3Location | None:
    """`front` is the host without its domain: `bucket.s3.region`, `s3.region`, or (unless `required`) `bucket`."""
    labels = front.split(".")
    # The service's label is the last such: a bucket's name may hold a label `s3` of its own.
    for index in range(len(labels) - 1, -1, -1):
        if labels[index] == "s3" or labels[index].startswith("s3-"):
            bucket = ".".join(labels[:index])
            return _location(bucket, path, query) if bucket else _in_path(path, query)
    return None if required else _location(front, path, query)


def _in_path(path: str, query: str) -> S3Location | None:
    bucket, slash, key = path.removeprefix("/").partition("/")
    return _location(unquote(bucket), slash + key, query)


def _location(bucket: str, path: str, query: str) -> S3Location | None:
    if not bucket or bucket.startswith("_"):
        # Freehold's own doors (`/_freehold`, `/_apis`) begin with `_`, which no bucket name does.
        return None
    version = parse_qs(query).get("versionId", [None])[0] if query else None
    return S3Location(bucket, unquote(path.removeprefix("/")), version)


def _split_port(host: str) -> tuple[str, int | None]:
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name, whole(rest[1:], 5)
    name, _, port = host.partition(":") if host.count(":") == 1 else (host, "", "")
    return name, whole(port, 5)
