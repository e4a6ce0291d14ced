"""Exchange: one HTTP request to an AWS endpoint while it goes through WIRE_IN and WIRE_OUT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freehold.front.body import Receive
from freehold.kit.http import Request, Response
from freehold.ports.call import Call
from freehold.ports.identity import Principal
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.wire.base import Match, Service
from freehold.wire.sigv4 import AuthFailure, Signature


@dataclass(frozen=True, slots=True)
class Offer:
    """What this server offers: its manifests and their models, looked up by model name."""

    manifests: Mapping[str, Manifest]
    services: tuple[Service, ...]
    handlers: Mapping[tuple[str, str], Any]
    """(model, operation) -> handler."""
    doors: Mapping[str, tuple[Any, ...]]
    """Host name -> handlers of application hosts."""
    by_signing_name: Mapping[str, tuple[Service, ...]]


@dataclass(slots=True)
class Exchange:
    """The request, and what the steps found out about it so far."""

    platform: Platform
    offer: Offer
    request: Request
    receive: Receive
    request_id: str
    signature: Signature | None = None
    unreadable: AuthFailure | None = None
    """Why the signature that is there cannot be read; guarded mode refuses it, open mode takes it for none."""
    match: Match | None = None
    principal: Principal | None = None
    account: str = ""
    region: str = ""
    call: Call | None = None
    response: Response | None = None
