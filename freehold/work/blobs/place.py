"""Places of blobs, as operators name them.

- a directory: files, in a file system that all nodes see;
- `s3://bucket/prefix?endpoint=http://host:port&region=us-east-1`: objects of any S3-compatible store.

Both take `keep=7d` (for a directory as `file:///shared/blobs?keep=7d`): how long bytes stay after what named them is gone,
so that a backup of the rows that is younger finds them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+|", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_KEEP = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_KNOWN = {"endpoint", "region", "style", "profile", "keep"}


@dataclass(frozen=True, slots=True)
class Directory:
    """Files below `path`; released ones stay for `keep_s` seconds."""

    path: Path
    keep_s: int = 0


@dataclass(frozen=True, slots=True)
class Bucket:
    """Objects below `prefix` of a bucket. `endpoint` empty: AWS. `virtual`: the bucket is in the host name."""

    name: str
    prefix: str
    endpoint: str
    region: str
    virtual: bool
    profile: str = ""
    keep_s: int = 0

    @property
    def base(self) -> str:
        """The URL that keys follow, without a slash at its end."""
        endpoint = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        if not self.virtual:
            return f"{endpoint}/{self.name}"
        scheme, _, host = endpoint.partition("://")
        return f"{scheme}://{self.name}.{host}"

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}" + (f" at {self.endpoint}" if self.endpoint else "")


def parse(text: str) -> Directory | Bucket:
    """What the setting `blobs` names. Raises ValueError with one clear line."""
    if text.startswith("s3://"):
        return _bucket(text)
    if text.startswith("file://"):
        parts = urlsplit(text)
        options = _options(parts.query, {"keep"})
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("A directory of blobs is named like /shared/blobs or file:///shared/blobs?keep=7d.")
        return Directory(Path(unquote(parts.path)), _keep(options))
    if "://" in text:
        raise ValueError(
            "Blobs are kept in a directory or in s3://bucket/prefix?endpoint=...&region=..., nowhere else."
        )
    return Directory(Path(text))


def _bucket(text: str) -> Bucket:
    parts = urlsplit(text)
    options = _options(parts.query, _KNOWN)
    prefix = parts.path.strip("/")
    if not _BUCKET.fullmatch(parts.netloc):
        raise ValueError(
            "Blobs in S3 are named s3://bucket/prefix; credentials come from AWS_* variables or a profile."
        )
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("The prefix of blobs in S3 consists of A-Z, a-z, 0-9, '.', '_', '-' and '/' between them.")
    endpoint = options.get("endpoint", "").rstrip("/")
    if endpoint:
        host = urlsplit(endpoint)
        if host.scheme not in ("http", "https") or not host.hostname or host.path or host.query or host.username:
            raise ValueError("The endpoint of blobs in S3 is a URL like http://host:8333 without path or credentials.")
    region = options.get("region", "us-east-1")
    if not _REGION.fullmatch(region):
        raise ValueError(f"The region of blobs in S3 is a name like us-east-1, not {region!r}.")
    style = options.get("style", "path" if endpoint else "virtual")
    if style not in ("path", "virtual"):
        raise ValueError(f"The style of addresses of blobs in S3 is path or virtual, not {style!r}.")
    return Bucket(
        parts.netloc, prefix, endpoint, region, style == "virtual", options.get("profile", ""), _keep(options)
    )


def _options(query: str, known: set[str]) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise ValueError(f"Blobs have no option {name!r}; there are {', '.join(sorted(known))}.")
    return options


def _keep(options: dict[str, str]) -> int:
    if "keep" not in options:
        return 0
    found = _KEEP.fullmatch(options["keep"])
    if found is None:
        raise ValueError(f"Blobs are kept for a time like 7d, 12h or 30m, not {options['keep']!r}.")
    return int(found[1]) * _SECONDS[found[2]]
