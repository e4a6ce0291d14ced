"""Calling the endpoint of an API destination: with its connection's authorization, at no more than its rate.

Timeout, headers and what is tried again: EventBridge User Guide, "API destinations as targets".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.ports.events import Answer
from freehold.services.events import authorization, destination_rows
from freehold.services.events.authorization import Extra, Unauthorized, with_query
from freehold.services.events.destination_rows import DEFAULT_RATE, Connection, Destination
from freehold.store.base import ReadTx
from freehold.work.outgoing import Answered, Unreached

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

TIMEOUT_S = 5.0
MAX_ANSWER = 6 << 20
"""What an enrichment may answer; rules have no use for answers."""
MOST_AT_ONCE = 64
"""Calls of one destination under way for rules; there is room for four times as many deliveries in all."""
CROWDED_MS = 500
AGAIN = frozenset((401, 407, 409, 429))
"""Answers after which a delivery is tried again, beside all from 500 on."""
_BODILESS = frozenset(("GET", "HEAD", "OPTIONS"))
_OWN_HEADERS = {"User-Agent": "Amazon/EventBridge/ApiDestinations", "Range": "bytes=0-1048575"}
_DEFAULT_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Accept-Encoding": "gzip,deflate"}
_RESERVED = frozenset((
    "a-im", "accept-charset", "accept-datetime", "accept-encoding", "cache-control", "connection",
    "content-encoding", "content-length", "content-md5", "date", "expect", "forwarded", "from", "host",
    "http2-settings", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
    "max-forwards", "origin", "pragma", "proxy-authorization", "range", "referer", "te", "trailer",
    "transfer-encoding", "user-agent", "upgrade", "via", "warning",
))  # fmt: skip
"""Headers that EventBridge takes out of requests, or sets itself."""


class Rates:
    """When each destination may be called next, in service time. A caller that must wait keeps its turn under a ticket."""

    def __init__(self) -> None:
        self._free_us: dict[str, int] = {}
        self._turns: dict[str, int] = {}

        self._under_way: dict[str, int] = {}
        self._crowd: dict[str, set[str]] = {}

    def enter(self, arn: str, now_ms: int, ticket: str) -> int | None:
        """None: the call may begin, and `leave` ends it. Otherwise so many are under way already that it comes back at
        this service time: a destination that is slow to answer shall not keep others from being called."""
        crowd = self._crowd.setdefault(arn, set())
        if self._under_way.get(arn, 0) >= MOST_AT_ONCE:
            crowd.add(ticket)
            return now_ms + CROWDED_MS * (1 + len(crowd) // MOST_AT_ONCE)
        crowd.discard(ticket)
        self._under_way[arn] = self._under_way.get(arn, 0) + 1
        return None

    def leave(self, arn: str) -> None:
        """A call that `enter` let begin has ended."""
        self._under_way[arn] -= 1
        if not self._under_way[arn]:
            del self._under_way[arn]
            self._crowd.pop(arn, None)

    def forget(self, ticket: str | None) -> None:
        """Who had this ticket does not come back."""
        if ticket is not None:
            self._turns.pop(ticket, None)

    def turn(self, arn: str, rate: int, now_ms: int, ticket: str | None = None) -> int | None:
        """None: now. Otherwise the service time (ms) at which it is this caller's turn; with a ticket, it asks again."""
        if ticket is not None and (kept := self._turns.get(ticket)) is not None:
            if kept > now_ms:
                return kept
            del self._turns[ticket]
            return None
        # `rate` calls may come at once after a second of silence, as with a bucket that is refilled once a second.
        now_us, step = now_ms * 1000, 1_000_000 // rate
        free = max(self._free_us.get(arn, 0), now_us - 1_000_000 + step)
        self._free_us[arn] = free + step
        if free <= now_us:
            return None
        due_ms = -(-free // 1000)
        if ticket is not None:
            self._turns[ticket] = due_ms
        return due_ms


class Wait(Exception):
    """It is not this call's turn until `due_ms` (service time): the destination's rate is used up."""

    def __init__(self, due_ms: int) -> None:
        super().__init__(f"not before {due_ms}")
        self.due_ms = due_ms


def rates(platform: Platform) -> Rates:
    """The rates of all destinations."""
    found = platform.own.get("events.rates")
    if found is None:
        found = platform.own["events.rates"] = Rates()
    assert isinstance(found, Rates)
    return found


async def call(
    platform: Platform,
    destination_arn: str,
    payload: bytes,
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    path_values: Sequence[str],
    ticket: str | None = None,
) -> Answer:
    """Call the endpoint of an API destination.

    At more than the destination's rate: with a `ticket` raises Wait, and whoever comes back with it then has its turn;
    without one, waits. Raises Fault ResourceNotFoundException (no such destination, or no connection), ValidationException
    (more path wildcards than values), AccessDeniedException (not authorized); OSError and TimeoutError where the endpoint
    could not be reached.
    """
    try:
        destination, connection = await platform.store.read(lambda tx: _find(tx, destination_arn))
    except Fault:
        rates(platform).forget(ticket)
        raise
    parsed = arns.parse(destination_arn)
    assert parsed is not None
    url = await platform.addresses.home(filled(destination.endpoint, path_values))
    now_ms, pace = platform.clock.now_ms(), rates(platform)
    due_ms = pace.turn(destination_arn, destination.rate or DEFAULT_RATE, now_ms, ticket)
    if ticket is None:
        # In real time: a manual clock does not move while somebody is being called.
        await asyncio.sleep(max(0, (due_ms or 0) - now_ms) / 1000)
        return await _authorized(platform, parsed, destination.method, url, payload, headers, query, connection)
    if due_ms is None:
        due_ms = pace.enter(destination_arn, now_ms, ticket)
    if due_ms is not None:
        raise Wait(due_ms)
    try:
        return await _authorized(platform, parsed, destination.method, url, payload, headers, query, connection)
    finally:
        pace.leave(destination_arn)


async def _authorized(
    platform: Platform,
    arn: arns.Arn,
    method: str,
    url: str,
    payload: bytes,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    connection: Connection,
) -> Answer:
    """One call, and another with a fresh token where the endpoint did not take the known one."""
    for last in (False, True):
        try:
            extra = await authorization.extra(platform, arn.account, arn.region, connection)
        except Unauthorized as refused:
            if refused.again:
                raise OSError(str(refused)) from None
            raise Fault("AccessDeniedException", str(refused)) from None
        answer = await _send(platform, method, url, payload, headers, query, extra)
        if answer.status not in (401, 407) or connection.type != "OAUTH_CLIENT_CREDENTIALS" or last:
            break
        authorization.forget_token(platform, connection.arn(arn.account, arn.region))
    return Answer(answer.status, answer.headers, answer.body)


def _find(tx: ReadTx, arn: str) -> tuple[Destination, Connection]:
    destination = destination_rows.DESTINATIONS.of_arn(tx, arn)
    if destination is None:
        raise Fault("ResourceNotFoundException", f"An api-destination '{arn}' does not exist.")
    connection = destination_rows.CONNECTIONS.of_arn(tx, destination.connection_arn)
    if connection is None:
        raise Fault("ResourceNotFoundException", f"Connection '{destination.connection_arn}' does not exist.")
    return destination, connection


def filled(endpoint: str, path_values: Sequence[str]) -> str:
    """The endpoint with its wildcards filled in, in order."""
    parts = endpoint.split("*")
    if len(parts) - 1 > len(path_values):
        raise Fault("ValidationException", f"PathParameterValues has fewer values than {endpoint} has wildcards.")
    url = parts[0]
    for value, part in zip(path_values, parts[1:], strict=False):
        url += quote(value, safe="") + part
    return url


async def _send(
    platform: Platform,
    method: str,
    url: str,
    payload: bytes,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    extra: Extra,
) -> Answered:
    body = b"" if method in _BODILESS else with_members(payload, extra.body)
    try:
        return await authorization.pool(platform).send(
            method,
            with_query(url, {**query, **extra.query}),
            merged_headers(headers, extra.headers),
            body,
            seconds=TIMEOUT_S,
            most=MAX_ANSWER,
        )
    except Unreached as unreached:
        if unreached.late:
            raise TimeoutError(str(unreached)) from None
        raise OSError(str(unreached)) from None


def merged_headers(target: Mapping[str, str], connection: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers of a request: the connection's win over the target's, EventBridge's own over both."""
    names: dict[str, tuple[str, str]] = {}
    for group in (_DEFAULT_HEADERS, target, connection):
        for name, value in group.items():
            if group is _DEFAULT_HEADERS or name.lower() not in _RESERVED:
                names[name.lower()] = (name, value)
    for name, value in _OWN_HEADERS.items():
        names[name.lower()] = (name, value)
    for name, value in names.values():
        if not (value.isascii() and value.isprintable() and name.isascii() and name.isprintable()):
            raise Fault("ValidationException", f"The header {name!r} has characters that a header cannot have.")
    return list(names.values())


def with_members(payload: bytes, members: Mapping[str, str]) -> bytes:
    """The payload with the connection's body parameters as members; only a JSON object can take them. Raises
    ValidationException where it is nested deeper than JSON is written (254 levels; it is read to 1,024)."""
    if not members:
        return payload
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
    if not isinstance(document, dict):
        return payload
    try:
        return orjson.dumps({**document, **members})
    except TypeError:
        raise Fault("ValidationException", "The body is nested too deeply to take further members.") from None


def retry_after_ms(answer: Answer, wall: float) -> int:
    """What the Retry-After header asks for, 0 where there is none that can be read."""
    value = answer.headers.get("retry-after", "").strip()
    if (seconds := whole(value)) is not None:
        return min(seconds, 86_400) * 1000
    if not value:
        return 0
    from email.utils import parsedate_to_datetime

    try:
        return max(0, min(int((parsedate_to_datetime(value).timestamp() - wall) * 1000), 86_400_000))
    except (ValueError, TypeError):
        return 0
