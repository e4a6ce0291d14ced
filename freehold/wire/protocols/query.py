"""Query and EC2: a form of flattened names in, XML out.

A form is first made a tree by its dots (`Tags.member.1.Key` -> {"Tags": {"member": {"1": {"Key": ...}}}}), then read
by shape. EC2 differs in names (its own `queryName`, else capitalized), in lists (always flat) and in its envelope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit import http
from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.wire.base import EC2, QUERY, Match
from freehold.wire.models import Operation, Service
from freehold.wire.protocols import text, timestamps, xmlvalues
from freehold.wire.protocols.faults import describe
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.protocols.xmlvalues import escape
from freehold.wire.shapes import Shape

Tree = dict[str, Any]
Reader = Callable[[Any], Any]
Cache = dict[Any, Any]

_MAX_DEPTH = 64
_MAX_FIELDS = 200_000
"""PutMetricData, the largest form that AWS takes, has 1,000 metrics of up to 150 values."""
_CONTENT_TYPE = ("content-type", "text/xml")


def malformed_fault(message: str = "") -> Fault:
    """What AWS answers to a form it cannot read."""
    return Fault("MalformedQueryString", message or "The query string contains a syntax error.", status=400)


def _invalid(message: str) -> Fault:
    # The word of the query services for a value of the wrong type.
    return Fault("MalformedInput", message, status=400)


def tree_of(pairs: list[tuple[str, str]]) -> Tree:
    """The form as a tree; a name that is both a value and a prefix is refused."""
    root: Tree = {}
    for name, value in pairs:
        if "." not in name:
            if isinstance(root.get(name), dict):
                raise malformed_fault()
            root[name] = value
            continue
        parts = name.split(".")
        if len(parts) > _MAX_DEPTH:
            raise malformed_fault()
        node = root
        for part in parts[:-1]:
            below = node.get(part)
            if below is None or below == "":  # `Tags=` beside `Tags.member.1=...`
                below = node[part] = {}
            elif not isinstance(below, dict):
                raise malformed_fault()
            node = below
        if not isinstance(node.get(parts[-1]), dict):
            node[parts[-1]] = value
    return root


def parser(operation: Operation) -> Callable[[Match, Request], dict[str, Any]]:
    """Reads the operation's input from a form."""
    return _parser(operation, _Query(operation.service))


def ec2_parser(operation: Operation) -> Callable[[Match, Request], dict[str, Any]]:
    """Reads the operation's input from an EC2 form."""
    return _parser(operation, _Ec2(operation.service))


def _parser(operation: Operation, dialect: _Query) -> Callable[[Match, Request], dict[str, Any]]:
    shape = dialect.shape(operation.input)
    if shape is None:
        return lambda match, request: {}
    read = dialect.reader(shape)
    queue = operation.service.name == "sqs" and "QueueUrl" in shape.members

    def parse(match: Match, request: Request) -> dict[str, Any]:
        pairs = match.pairs if match.pairs is not None else form_pairs(request)
        try:
            parsed: dict[str, Any] = read(tree_of(pairs))
        except Malformed as malformed:
            raise _invalid(str(malformed)) from None
        if queue and "QueueUrl" not in parsed and request.path.count("/") > 1:
            # The older SDKs post to the queue's own URL and name it nowhere else (SQS API Reference, "Making requests").
            parsed["QueueUrl"] = f"{request.scheme}://{request.host}{request.path}"
        return parsed

    return parse


def form_pairs(request: Request) -> list[tuple[str, str]]:
    """Query string and form, decoded."""
    pairs = request.query_pairs()
    if request.body.count(b"&") > _MAX_FIELDS:
        raise malformed_fault()
    if request.body:
        try:
            form = request.body.decode("utf-8")
        except UnicodeDecodeError:
            raise malformed_fault() from None
        pairs += http.form_pairs(form)
    return pairs


class _Query:
    """How the query protocol spells names and lists."""

    protocol = QUERY

    def __init__(self, service: Service) -> None:
        self.shapes = service.names_for(self.protocol)
        self.cache = service.compiled

    def shape(self, shape: Shape | None) -> Shape | None:
        """A shape under the names of this protocol."""
        return Shape(self.shapes, {"shape": shape.name}) if shape is not None else None

    def name(self, name: str, member: Shape) -> str:
        """The name of a structure's member."""
        if member.type == "list" and member.traits.get("flattened") and member.wire_name is None:
            return member.element.wire_name or name
        return member.wire_name or name

    def reader(self, shape: Shape) -> Reader:
        """How to read a value of this shape from the tree."""
        if shape.type == "structure":
            found: Reader | None = self.cache.get((self.protocol, shape.name))
            return found or self._structure(shape)
        if shape.type == "list":
            return self._list(shape)
        if shape.type == "map":
            return self._map(shape)
        return _scalar(shape)

    def _structure(self, shape: Shape) -> Reader:
        members: list[tuple[str, str, Reader]] = []

        def read(node: Any) -> dict[str, Any]:
            if not isinstance(node, dict):
                if node == "":
                    return {}
                raise Malformed("Unexpected value where a structure is expected")
            out = {}
            for key, name, read_member in members:
                item = node.get(key)
                if item is not None:
                    out[name] = read_member(item)
            return out

        self.cache[self.protocol, shape.name] = read
        for name, member in shape.members.items():
            members.append((self.name(name, member), name, self.reader(member)))
        return read

    def _list(self, shape: Shape) -> Reader:
        read_element = self.reader(shape.element)
        wrapper = None if shape.traits.get("flattened") else shape.element.wire_name or "member"
        return _list_reader(read_element, wrapper)

    def _map(self, shape: Shape) -> Reader:
        key_name, value_name = shape.key.wire_name or "key", shape.value.wire_name or "value"
        read_value = self.reader(shape.value)
        wrapper = None if shape.traits.get("flattened") else "entry"

        def read(node: Any) -> dict[str, Any]:
            out = {}
            for entry in _indexed(node, wrapper):
                if not isinstance(entry, dict) or not isinstance(entry.get(key_name), str):
                    raise Malformed(f"Missing {key_name} of a map's entry")
                value = entry.get(value_name, "")
                out[entry[key_name]] = read_value(value)
            return out

        return read


class _Ec2(_Query):
    """How EC2 spells names and lists."""

    protocol = EC2

    def name(self, name: str, member: Shape) -> str:
        own = member.traits.get("queryName")
        if own:
            return str(own)
        spelled = member.wire_name or name
        return spelled[:1].upper() + spelled[1:]

    def _list(self, shape: Shape) -> Reader:
        return _list_reader(self.reader(shape.element), None)


def _scalar(shape: Shape) -> Reader:
    read_text = text.reader_of(shape)

    def read(node: Any) -> Any:
        if type(node) is not str:
            raise Malformed("Unexpected complex element")
        return read_text(node)

    return read


def _list_reader(read_element: Reader, wrapper: str | None) -> Reader:
    def read(node: Any) -> list[Any]:
        return [read_element(item) for item in _indexed(node, wrapper)]

    return read


def _indexed(node: Any, wrapper: str | None) -> list[Any]:
    """What stands under 1, 2, 3, ... in order; an empty value is an empty list."""
    if isinstance(node, dict) and wrapper is not None:
        # Some clients leave out the wrapper, or use the default one where the model names another.
        node = node.get(wrapper, node.get("member", node.get("entry", node)))
    if node == "":
        return []
    if not isinstance(node, dict):
        raise Malformed("Unexpected list element termination")
    numbered = []
    for index, item in node.items():
        if not (index.isascii() and index.isdigit()) or len(index) > 9:
            raise Malformed(f"Key {index[:32]} is not an index of a list")
        numbered.append((int(index), item))
    numbered.sort(key=lambda pair: pair[0])
    return [item for _, item in numbered]


# --- answers


def renderer(operation: Operation) -> Callable[[Match, dict[str, Any], str], Response]:
    """`<XResponse><XResult>...</XResult><ResponseMetadata>...`."""
    service = operation.service
    shapes = service.names_for(QUERY)
    output = Shape(shapes, {**operation.raw["output"]}) if operation.output is not None else None
    wrapper = operation.raw.get("output", {}).get("resultWrapper", f"{operation.name}Result") if output else None
    write = xmlvalues.body_writer(output, service.compiled, timestamps.ISO, QUERY) if output is not None else None
    xmlns = f' xmlns="{escape(service.namespace)}"' if service.namespace else ""
    head = f"<{operation.name}Response{xmlns}>"
    tail = f"</{operation.name}Response>"

    def render(_: Match, result: dict[str, Any], request_id: str) -> Response:
        inner = f"<{wrapper}>{write(result)}</{wrapper}>" if write is not None else ""
        metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        body = (head + inner + metadata + tail).encode()
        return Response(200, [("x-amzn-requestid", request_id), _CONTENT_TYPE], body)

    return render


def ec2_renderer(operation: Operation) -> Callable[[Match, dict[str, Any], str], Response]:
    """`<XResponse><requestId>...</requestId>...`."""
    service = operation.service
    write = (
        xmlvalues.body_writer(operation.output, service.compiled, timestamps.ISO, EC2)
        if operation.output is not None
        else None
    )
    xmlns = f' xmlns="{escape(service.namespace)}"' if service.namespace else ""
    head, tail = f"<{operation.name}Response{xmlns}>", f"</{operation.name}Response>"

    def render(_: Match, result: dict[str, Any], request_id: str) -> Response:
        inner = write(result) if write is not None else ""
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<requestId>{request_id}</requestId>{inner}{tail}'
        return Response(
            200, [("x-amzn-requestid", request_id), ("content-type", "text/xml;charset=UTF-8")], body.encode()
        )

    return render


def render_fault(match: Match, fault: Fault, request_id: str, service: Service) -> Response:
    """`<ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>`."""
    described = describe(service, fault, QUERY)
    kind = "Sender" if described.sender else "Receiver"
    members = xmlvalues.error_members(service, fault, described.shape, QUERY)
    xmlns = f' xmlns="{escape(service.namespace)}"' if service.namespace else ""
    body = (
        f"<ErrorResponse{xmlns}><Error><Type>{kind}</Type><Code>{escape(described.code)}</Code>"
        f"<Message>{escape(fault.message)}</Message>{members}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = [("x-amzn-requestid", request_id), _CONTENT_TYPE, *(fault.headers or {}).items()]
    return Response(described.status, headers, body.encode())


def render_ec2_fault(match: Match, fault: Fault, request_id: str, service: Service) -> Response:
    """`<Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>`."""
    described = describe(service, fault, EC2)
    members = xmlvalues.error_members(service, fault, described.shape, EC2)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        f"<Code>{escape(described.code)}</Code><Message>{escape(fault.message)}</Message>{members}</Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    )
    headers = [("x-amzn-requestid", request_id), ("content-type", "text/xml;charset=UTF-8")]
    return Response(described.status, [*headers, *(fault.headers or {}).items()], body.encode())
