"""What a node offers, found when it is first asked for: a model takes milliseconds to read and megabytes to keep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from freehold import wire
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.wire.base import Operation, Service

Handler = Callable[[Any, dict[str, Any]], Awaitable[dict[str, Any]]]


class Route(NamedTuple):
    """Where a call goes."""

    manifest: Manifest
    action: str
    """Its IAM action."""
    handler: Handler | None


class Offer:
    """The services of a node: handlers found by operation name, services by signing name, application hosts."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self.manifests: dict[str, Manifest] = {}
        """By name of the model."""
        self.doors: dict[str, tuple[Any, ...]] = {}
        """Host name -> handlers of application hosts."""
        self.control: dict[str, Callable[[Platform, Mapping[str, str]], Awaitable[Any]]] = {}
        """What services add to the control API, by name."""
        self._signing: dict[str, list[str]] = {}
        self._signed: dict[str, tuple[Service, ...]] = {}
        self._handlers: dict[tuple[str, str], Handler | None] = {}
        self._routes: dict[Operation, Route] = {}
        for manifest in manifests:
            self.manifests[manifest.model] = manifest
            self._signing.setdefault(wire.signing_name(manifest.model), []).append(manifest.model)
            self.control.update(manifest.control)
            for host, handler in manifest.hosts.items():
                self.doors[host] = (*self.doors.get(host, ()), handler)

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """All services. S3 is what any other RESTful request without a signature means, so it is asked last."""
        return tuple(wire.load(name) for name in sorted(self.manifests, key=lambda name: name == "s3"))

    def signed_as(self, signing_name: str | None) -> tuple[Service, ...]:
        """The services that a request signed for this name may mean; all of them where the name says nothing."""
        found = self._signed.get(signing_name or "")
        if found is None:
            names = self._signing.get(signing_name or "")
            if names is None:
                return self.services
            found = self._signed[signing_name or ""] = tuple(wire.load(name) for name in names)
        return found

    def route(self, model: str, operation: Operation) -> Route:
        """Where calls of an operation of an offered service go."""
        found = self._routes.get(operation)
        if found is None:
            manifest, name = self.manifests[model], operation.name
            action = f"{manifest.prefix}:{manifest.actions.get(name, name)}"
            found = self._routes[operation] = Route(manifest, action, self.handler(model, operation))
        return found

    def handler(self, model: str, operation: Operation) -> Handler | None:
        """What implements an operation, by its snake-case name; None when nothing does."""
        key = (model, operation.name)
        if key in self._handlers:
            return self._handlers[key]
        found: Handler | None = None
        for module in self.manifests[model].handlers:
            found = getattr(module, operation.snake_name, None) or found
        self._handlers[key] = found
        return found
