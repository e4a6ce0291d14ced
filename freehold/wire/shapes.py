"""Shapes: the types of a service model, with the traits of the place that refers to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


class Shape:
    """A shape as one member, element or operation refers to it; the reference's traits win over the shape's own.

    `traits` holds everything the model says (`locationName`, `flattened`, `timestampFormat`, `min`, ...).
    """

    __slots__ = ("_members", "_shapes", "name", "traits", "type")

    def __init__(self, shapes: Raw, reference: Raw) -> None:
        own = shapes[reference["shape"]]
        self._shapes = shapes
        self._members: dict[str, Shape] | None = None
        self.name: str = reference["shape"]
        self.type: str = own["type"]
        self.traits: dict[str, Any] = {**own, **reference}

    @property
    def members(self) -> dict[str, Shape]:
        """The members of a structure, by name."""
        if self._members is None:
            shapes = self._shapes
            self._members = {name: Shape(shapes, ref) for name, ref in self.traits.get("members", {}).items()}
        return self._members

    @property
    def element(self) -> Shape:
        """What a list holds."""
        return Shape(self._shapes, self.traits["member"])

    @property
    def key(self) -> Shape:
        """The keys of a map."""
        return Shape(self._shapes, self.traits["key"])

    @property
    def value(self) -> Shape:
        """The values of a map."""
        return Shape(self._shapes, self.traits["value"])

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the members that must be there."""
        return tuple(self.traits.get("required", ()))

    @property
    def location(self) -> str | None:
        """Where a member travels outside of the body: uri, header, headers, querystring, statusCode."""
        found: str | None = self.traits.get("location")
        return found

    @property
    def wire_name(self) -> str | None:
        """`locationName`, if there is one."""
        found: str | None = self.traits.get("locationName")
        return found

    @property
    def in_head(self) -> bool:
        """Does a result's member travel as header or status? (Locations of requests mean nothing there.)"""
        return self.traits.get("location") in ("header", "headers", "statusCode")

    @property
    def document(self) -> bool:
        """Is it free-form JSON?"""
        return bool(self.traits.get("document"))

    @property
    def streaming(self) -> bool:
        """Is it a body that streams?"""
        return bool(self.traits.get("streaming"))

    @property
    def event_stream(self) -> bool:
        """Is it a union of events that are sent one by one?"""
        return bool(self.traits.get("eventstream"))
