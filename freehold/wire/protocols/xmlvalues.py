"""XML values by shape: writers that build text, readers over a bounded tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from freehold.kit.faults import Fault
from freehold.wire.base import EC2
from freehold.wire.models import Service
from freehold.wire.protocols import text, timestamps
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.shapes import Shape

Writer = Callable[[Any], str]
"""A value to the text inside its element."""
MemberWriter = Callable[[Any], str]
"""A value to its whole element (or elements, if flattened)."""
Cache = dict[Any, Any]

_MAX_DEPTH = 128
_MAX_NODES = 250_000
"""CompleteMultipartUpload, the largest document that AWS takes, has 10,000 parts of up to ten elements."""

# What XML 1.0 cannot hold at all is replaced; what a reader would fold into a line feed is written as a reference.
_RARE = re.compile("[\r\x85\u2028\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_REFERENCES = {"\r": "&#xD;", "\x85": "&#x85;", "\u2028": "&#x2028;"}


def escape(value: str) -> str:
    """Text for an element."""
    if value.isalnum():
        return value
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if _RARE.search(value):
        return _RARE.sub(lambda found: _REFERENCES.get(found[0], "\ufffd"), value)
    return value


def escape_attribute(value: str) -> str:
    """Text for an attribute in double quotes."""
    return escape(value).replace('"', "&quot;").replace("\n", "&#xA;").replace("\t", "&#x9;")


# --- writing


class _Dialect:
    """One way of writing: the default format of timestamps, and whether names are EC2's."""

    def __init__(self, cache: Cache, default_time: str, protocol: str) -> None:
        self.cache = cache
        self.default_time = default_time
        self.protocol = protocol

    def content(self, shape: Shape) -> Writer:
        """A value of this shape to the text inside its element."""
        if shape.type == "structure":
            found: Writer | None = self.cache.get(("xml-out", self.protocol, shape.name))
            return found or self._structure(shape)
        if shape.type == "list":
            return self._list(shape, shape.element.wire_name or ("item" if self.protocol == EC2 else "member"))
        if shape.type == "map":
            return self._map(shape, "entry")
        write_text = text.writer_of(shape, self.default_time)
        if shape.type in ("string", "character"):
            return lambda value: escape(value if type(value) is str else str(value))
        return write_text

    def _structure(self, shape: Shape) -> Writer:
        members: dict[str, MemberWriter] = {}

        def write(value: dict[str, Any]) -> str:
            return "".join(
                [members[name](item) for name, item in value.items() if item is not None and name in members]
            )

        self.cache["xml-out", self.protocol, shape.name] = write
        for name, member in shape.members.items():
            if not member.in_head and not member.traits.get("xmlAttribute"):
                members[name] = self.member(name, member)
        return write

    def member(self, name: str, shape: Shape) -> MemberWriter:
        """A member of a structure to its element."""
        if shape.type == "list" and shape.traits.get("flattened"):
            element = shape.element
            tag = shape.wire_name or element.wire_name or name
            return self._list(shape, tag)
        tag = shape.wire_name or name
        if shape.type == "map" and shape.traits.get("flattened"):
            return self._map(shape, tag)
        return self.element(tag, shape)

    def element(self, tag: str, shape: Shape) -> MemberWriter:
        """A value to an element of this name, with its namespace and attributes."""
        write = self.content(shape)
        attributes = _attributes(shape)
        opening, closing = f"<{tag}{_xmlns(shape)}", f"</{tag}>"
        if not attributes:
            start = opening + ">"
            return lambda value: f"{start}{write(value)}{closing}"

        def write_element(value: dict[str, Any]) -> str:
            found = "".join(
                [f' {name}="{escape_attribute(str(value[key]))}"' for key, name in attributes if key in value]
            )
            return f"{opening}{found}>{write(value)}{closing}"

        return write_element

    def _list(self, shape: Shape, tag: str) -> Writer:
        write_element = self.element(tag, shape.element)
        return lambda value: "".join([write_element(item) for item in value if item is not None])

    def _map(self, shape: Shape, tag: str) -> Writer:
        write_key = self.element(shape.key.wire_name or "key", shape.key)
        write_value = self.element(shape.value.wire_name or "value", shape.value)
        xmlns = _xmlns(shape) if shape.traits.get("flattened") else ""
        return lambda value: "".join(
            [
                f"<{tag}{xmlns}>{write_key(key)}{write_value(item)}</{tag}>"
                for key, item in value.items()
                if item is not None
            ]
        )


def _attributes(shape: Shape) -> list[tuple[str, str]]:
    if shape.type != "structure":
        return []
    return [
        (name, member.wire_name or name) for name, member in shape.members.items() if member.traits.get("xmlAttribute")
    ]


def _xmlns(shape: Shape) -> str:
    namespace = shape.traits.get("xmlNamespace")
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{escape(namespace)}"'
    prefix = namespace.get("prefix")
    return f' xmlns{":" + prefix if prefix else ""}="{escape(namespace["uri"])}"'


def body_writer(shape: Shape, cache: Cache, default_time: str, protocol: str) -> Writer:
    """A result to the elements inside its wrapper."""
    return _Dialect(cache, default_time, protocol).content(shape)


def element_writer(tag: str, shape: Shape, cache: Cache, default_time: str, protocol: str) -> Writer:
    """A value to a whole element."""
    return _Dialect(cache, default_time, protocol).element(tag, shape)


def error_members(service: Service, fault: Fault, shape: Shape | None, protocol: str) -> str:
    """The further members of an error, as elements; unmodelled fields (S3's BucketName) as plain text."""
    if not fault.fields:
        return ""
    dialect = _Dialect(service.compiled, timestamps.ISO, protocol)
    members = shape.members if shape is not None else {}
    out = []
    for name, value in fault.fields.items():
        if value is None:
            continue
        if name in members:
            if members[name].location is None:
                out.append(dialect.member(name, members[name])(value))
        else:
            out.append(f"<{name}>{escape(str(value))}</{name}>")
    return "".join(out)


# --- reading


class Node:
    """An element: its local name, attributes by local name, children, and text."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.text = ""


def parse_document(body: bytes) -> Node:
    """The root of an XML document. Raises Malformed for anything but well-formed XML without a DTD."""
    builder = _Builder()
    try:
        builder.parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):  # ValueError: an encoding that Python cannot map
        raise Malformed("The XML you provided was not well-formed") from None
    if builder.root is None:
        raise Malformed("The XML you provided was not well-formed")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._nodes = 0
        self._open: list[Node] = []
        self._texts: list[list[str]] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        # No DTD, so no entities: neither expansion bombs nor files of this machine.
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _doctype(self, *_: Any) -> None:
        raise Malformed("A document type declaration is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._open) >= _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise Malformed("The XML is nested too deeply")
        node = Node(name.rpartition(":")[2], attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._texts.append([])

    def _end(self, _: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def _data(self, data: str) -> None:
        if self._texts:
            self._texts[-1].append(data)


NodeReader = Callable[[Node], Any]


class XmlReader:
    """Readers of rest-xml bodies."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def reader(self, shape: Shape) -> NodeReader:
        """How to read a value of this shape from its element."""
        if shape.type == "structure":
            found: NodeReader | None = self.cache.get(("xml-in", shape.name))
            return found or self._structure(shape)
        if shape.type == "list":
            return self._list(shape)
        if shape.type == "map":
            return self._map(shape)
        return self._scalar(shape)

    def _scalar(self, shape: Shape) -> NodeReader:
        read_text = text.reader_of(shape)
        strip = shape.type not in ("string", "character")

        def read(node: Node) -> Any:
            if node.children:
                raise Malformed(f"Unexpected elements inside {node.name}")
            return read_text(node.text.strip() if strip else node.text)

        return read

    def _structure(self, shape: Shape) -> NodeReader:
        members: dict[str, tuple[str, bool, NodeReader]] = {}
        attributes: list[tuple[str, str, text.Reader]] = []

        def read(node: Node) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for child in node.children:
                found = members.get(child.name)
                if found is None:
                    continue
                name, many, read_member = found
                value = read_member(child)
                if not many or name not in out:
                    out[name] = value
                elif isinstance(value, list):
                    out[name].extend(value)
                else:
                    out[name].update(value)
            for name, key, read_attribute in attributes:
                if key in node.attributes:
                    out[name] = read_attribute(node.attributes[key])
            return out

        self.cache["xml-in", shape.name] = read
        for name, member in shape.members.items():
            if member.traits.get("xmlAttribute"):
                attributes.append((name, member.wire_name or name, text.reader_of(member)))
            elif member.location is None:
                self._add(members, name, member)
        return read

    def _add(self, members: dict[str, tuple[str, bool, NodeReader]], name: str, member: Shape) -> None:
        flattened = bool(member.traits.get("flattened"))
        if flattened and member.type == "list":
            read_element = self.reader(member.element)
            found = (name, True, lambda node: [read_element(node)])
            members[_local(member.wire_name or name)] = found
            if member.wire_name is None and member.element.wire_name:
                # Smithy names flattened elements by the member, botocore by the element: take both.
                members.setdefault(_local(member.element.wire_name), found)
        elif flattened and member.type == "map":
            read_entry = self._entry(member)
            members[_local(member.wire_name or name)] = (name, True, lambda node: dict([read_entry(node)]))
        else:
            members[_local(member.wire_name or name)] = (name, False, self.reader(member))

    def _list(self, shape: Shape) -> NodeReader:
        read_element = self.reader(shape.element)

        def read(node: Node) -> list[Any]:
            return [read_element(child) for child in node.children]

        return read

    def _map(self, shape: Shape) -> NodeReader:
        read_entry = self._entry(shape)
        return lambda node: dict([read_entry(child) for child in node.children])

    def _entry(self, shape: Shape) -> Callable[[Node], tuple[str, Any]]:
        key_name, value_name = shape.key.wire_name or "key", shape.value.wire_name or "value"
        read_value = self.reader(shape.value)

        def read(node: Node) -> tuple[str, Any]:
            key = next((child for child in node.children if child.name == key_name), None)
            value = next((child for child in node.children if child.name == value_name), None)
            if key is None or value is None:
                raise Malformed(f"{node.name} holds no {key_name} and {value_name}")
            return key.text, read_value(value)

        return read


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
