"""What REST protocols share: members that travel in the path, the query string, headers and the status code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.http import Request, Response
from freehold.wire.base import Match
from freehold.wire.models import Operation
from freehold.wire.protocols import text, timestamps
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.shapes import Shape

Bound = tuple[str, text.Reader]


class Bindings:
    """How an operation's input is spread over a request; `payload` is what its body holds, if not plain members."""

    def __init__(self, shape: Shape) -> None:
        self.labels: list[tuple[str, str, text.Reader]] = []
        self.query: dict[str, tuple[str, text.Reader, bool]] = {}
        self.query_map: tuple[str, bool] | None = None
        self.headers: dict[str, tuple[str, Callable[[str], Any]]] = {}
        self.prefixed: list[tuple[str, str]] = []
        payload = shape.traits.get("payload")
        self.payload: tuple[str, Shape] | None = (payload, shape.members[payload]) if payload else None
        self.in_body = any(member.location is None for member in shape.members.values())
        for name, member in shape.members.items():
            self._bind(name, member)

    def _bind(self, name: str, member: Shape) -> None:
        location, wire = member.location, member.wire_name or name
        if location == "uri":
            self.labels.append((wire, name, text.reader_of(member)))
        elif location == "querystring" and member.type == "map":
            self.query_map = (name, member.value.type == "list")
        elif location == "querystring":
            many = member.type == "list"
            self.query[wire] = (name, text.reader_of(member.element if many else member), many)
        elif location == "header":
            self.headers[wire.lower()] = (name, _header_reader(member))
        elif location == "headers":
            # botocore writes the prefix where the model says so, as the server sees it in lower case.
            self.prefixed.append(((member.wire_name or "").lower(), name))

    def read(self, match: Match, request: Request, out: dict[str, Any]) -> None:
        """Put every member outside of the body into `out`. Raises Malformed."""
        params = match.path_params
        for label, name, read in self.labels:
            if label in params:
                out[name] = read(params[label])
        if request.query and (self.query or self.query_map is not None):
            self._read_query(match.pairs if match.pairs is not None else request.query_pairs(), out)
        bound = self.headers
        for header, value in request.headers.items():
            found = bound.get(header)
            if found is not None:
                out[found[0]] = found[1](value)
        if self.prefixed:
            self._read_prefixed(request, out)

    def _read_query(self, pairs: list[tuple[str, str]], out: dict[str, Any]) -> None:
        rest: dict[str, Any] = {}
        for key, value in pairs:
            found = self.query.get(key)
            if found is not None:
                name, read, many = found
                if many:
                    out.setdefault(name, []).append(read(value))
                elif name not in out:
                    out[name] = read(value)
            elif self.query_map is not None:
                if self.query_map[1]:
                    rest.setdefault(key, []).append(value)
                else:
                    rest.setdefault(key, value)
        if self.query_map is not None and rest:
            out[self.query_map[0]] = rest

    def _read_prefixed(self, request: Request, out: dict[str, Any]) -> None:
        for prefix, name in self.prefixed:
            found = {
                header[len(prefix) :]: value for header, value in request.headers.items() if header.startswith(prefix)
            }
            if found:
                out[name] = found


def _header_reader(member: Shape) -> Callable[[str], Any]:
    if member.type == "list":
        return _header_list_reader(member.element)
    return text.reader_of(member)


def _header_list_reader(element: Shape) -> Callable[[str], list[Any]]:
    read = text.reader_of(element)
    dates = element.type == "timestamp" and element.traits.get("timestampFormat", timestamps.HTTP) == timestamps.HTTP

    def read_list(value: str) -> list[Any]:
        return [read(item) for item in (_split_dates(value) if dates else split_list(value))]

    return read_list


def split_list(value: str) -> list[str]:
    """The elements of a header, some of them quoted: `a, "b,c", d`."""
    if '"' not in value:
        return [item.strip() for item in value.split(",") if item.strip()]
    out: list[str] = []
    at, end = 0, len(value)
    while at < end:
        if value[at] in " \t,":
            at += 1
        elif value[at] == '"':
            item, at = _quoted(value, at + 1)
            out.append(item)
        else:
            comma = value.find(",", at)
            stop = end if comma < 0 else comma
            out.append(value[at:stop].strip())
            at = stop
    return out


def _quoted(value: str, at: int) -> tuple[str, int]:
    out = []
    while at < len(value):
        char = value[at]
        if char == "\\" and at + 1 < len(value):
            out.append(value[at + 1])
            at += 2
            continue
        if char == '"':
            return "".join(out), at + 1
        out.append(char)
        at += 1
    raise Malformed("A quoted element of a header does not end")


def _split_dates(value: str) -> list[str]:
    # `Mon, 16 Dec 2019 23:48:18 GMT, Mon, ...`: every other comma separates.
    parts = [part.strip() for part in value.split(",")]
    return [", ".join(parts[at : at + 2]) for at in range(0, len(parts), 2)]


# --- answers


class Heads:
    """How a result's members outside of the body become headers and the status."""

    def __init__(self, shape: Shape | None, default_status: int) -> None:
        self.status = default_status
        self.status_member: str | None = None
        self.headers: dict[str, tuple[str, Callable[[Any], str]]] = {}
        self.prefixed: dict[str, str] = {}
        for name, member in shape.members.items() if shape is not None else ():
            if member.location == "statusCode":
                self.status_member = name
            elif member.location == "header":
                self.headers[name] = (member.wire_name or name, _header_writer(member))
            elif member.location == "headers":
                self.prefixed[name] = member.wire_name or ""

    def write(self, result: dict[str, Any], headers: list[tuple[str, str]]) -> int:
        """Add the headers of a result; its status."""
        status = self.status
        bound, prefixed = self.headers, self.prefixed
        for name, value in result.items():
            if value is None:
                continue
            found = bound.get(name)
            if found is not None:
                headers.append((found[0], header_value(found[1](value))))
            elif name in prefixed:
                prefix = prefixed[name]
                headers.extend((prefix + key, header_value(str(item))) for key, item in value.items())
            elif name == self.status_member:
                status = int(value)
        return status


def header_value(value: str) -> str:
    """Text as a header can hold it: nothing that a customer stored may split a response.

    What Latin-1 cannot say is written as S3 writes metadata (RFC 2047).
    """
    if value.isascii() and value.isprintable():
        return value
    value = value.replace("\r", " ").replace("\n", " ").replace("\0", " ")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return f"=?UTF-8?B?{text.write_blob(value)}?="
    return value


def _header_writer(member: Shape) -> Callable[[Any], str]:
    if member.type != "list":
        return text.writer_of(member, timestamps.HTTP)
    write = text.writer_of(member.element, timestamps.HTTP)
    quote = member.element.type == "string"
    return lambda value: ", ".join([_quote(write(item)) if quote else write(item) for item in value])


def _quote(item: str) -> str:
    if "," not in item and '"' not in item:
        return item
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'


def stream_of(request: Request) -> Any:
    """A streaming body: the stream, or the bytes where the body was complete."""
    return request.stream if request.stream is not None else request.body


Render = Callable[[Match, dict[str, Any], str], Response]


def default_content_type(member: Shape) -> str:
    """The type of a payload that says nothing about itself."""
    if member.type == "string":
        return str(member.traits.get("mediaType", "text/plain"))
    return str(member.traits.get("mediaType", "application/octet-stream"))


def event_stream_refused(operation: Operation) -> None:
    """Event streams from the client are not read."""
    if operation.event_stream_input:
        raise Malformed("event stream input")
