"""What is offered, compiled from the list of manifests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from freehold import wire
from freehold.front.exchange import Offer
from freehold.ports.manifest import Manifest
from freehold.wire.base import Service


def compile_offer(manifests: Iterable[Manifest]) -> Offer:
    """Find each operation's handler by name, each service by its signing name, each application host."""
    by_model: dict[str, Manifest] = {}
    services: list[Service] = []
    handlers: dict[tuple[str, str], Any] = {}
    doors: dict[str, list[Any]] = {}
    signing: dict[str, list[Service]] = {}
    for manifest in manifests:
        by_model[manifest.model] = manifest
        service = wire.load(manifest.model)
        services.append(service)
        signing.setdefault(service.signing_name, []).append(service)
        for name, operation in service.operations.items():
            for module in manifest.handlers:
                handler = getattr(module, operation.snake_name, None)
                if handler is not None:
                    handlers[manifest.model, name] = handler
        for host, handler in manifest.hosts.items():
            doors.setdefault(host, []).append(handler)
    # S3 is what any other RESTful request without a signature means, so it is asked last.
    services.sort(key=lambda service: service.name == "s3")
    return Offer(
        manifests=by_model,
        services=tuple(services),
        handlers=handlers,
        doors={name: tuple(found) for name, found in doors.items()},
        by_signing_name={name: tuple(found) for name, found in signing.items()},
    )
