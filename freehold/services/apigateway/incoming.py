"""An incoming request as API Gateway sees it: parsed once, used by every integration."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from time import gmtime, strftime
from typing import Any
from urllib.parse import parse_qsl, unquote

from freehold.ports.manifest import HostRequest

HOP_BY_HOP = frozenset({"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
ADDED = ("x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")
"""Headers that API Gateway sets whatever the client sent."""


@lru_cache(maxsize=8)
def _time_text(second: int) -> str:
    return strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(second))


@dataclass
class Incoming:
    """One request to one stage. `path` is what follows the stage, `raw_path` includes a named stage.

    HTTP APIs decode both, so that functions see `/a b`; REST APIs keep them as they were sent, `/a%20b`.
    """

    asked: HostRequest
    api_id: str
    account: str
    stage: str
    path: str
    raw_path: str
    request_id: str
    trace: str
    now: float
    parameters: dict[str, str] = field(default_factory=dict)
    """Path parameters."""
    authorizer: dict[str, Any] | None = None
    """What the route's authorizer said, for `$context.authorizer...` (HTTP APIs)."""

    @property
    def method(self) -> str:
        return self.asked.http.method

    @property
    def body(self) -> bytes:
        return self.asked.http.body

    @property
    def query_string(self) -> str:
        return self.asked.http.query

    @cached_property
    def headers(self) -> dict[str, str]:
        """Header by lower-case name, repeated ones joined with a comma, with those that API Gateway adds."""
        http = self.asked.http
        found = {name: value for name, value in http.headers.items() if name not in HOP_BY_HOP}
        port = http.host.rpartition(":")[2]
        before = found.get("x-forwarded-for")
        found["x-amzn-trace-id"] = self.trace
        found["x-forwarded-for"] = f"{before}, {http.client}" if before else http.client
        found["x-forwarded-port"] = port if port.isdigit() else "80"
        found["x-forwarded-proto"] = http.scheme
        return found

    @cached_property
    def header_lists(self) -> dict[str, list[str]]:
        """All values of each header, in order."""
        lists: dict[str, list[str]] = {}
        for raw_name, raw_value in self.asked.http.raw_headers:
            name = raw_name.decode("latin-1")
            if name not in HOP_BY_HOP and name not in ADDED:
                lists.setdefault(name, []).append(raw_value.decode("latin-1"))
        for name in ADDED:
            lists[name] = [self.headers[name]]
        return lists

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """All values of each query parameter, decoded, in order."""
        lists: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query_string, keep_blank_values=True):
            lists.setdefault(name, []).append(value)
        return lists

    @property
    def source_ip(self) -> str:
        return self.asked.http.client

    @property
    def user_agent(self) -> str:
        return self.asked.http.headers.get("user-agent", "")

    @property
    def domain_name(self) -> str:
        return self.asked.domain_name

    @property
    def time_text(self) -> str:
        """`12/Mar/2020:19:03:58 +0000`"""
        return _time_text(int(self.now))


def split_stage(raw: str, stages: set[str] | frozenset[str]) -> tuple[str, str] | None:
    """(stage, decoded rest of the path): a named stage in the first segment, else `$default` where there is one."""
    first, slash, rest = raw[1:].partition("/")
    if first in stages:
        return first, unquote(slash + rest) or "/"
    if "$default" in stages:
        return "$default", unquote(raw) or "/"
    return None


TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


def is_text(content_type: str | None) -> bool:
    """Bodies of these types reach functions as they are, others in base64 (HTTP APIs)."""
    return content_type is None or content_type.startswith(TEXT_TYPES) or "+json" in content_type
