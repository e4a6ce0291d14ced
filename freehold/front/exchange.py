"""Exchange: one HTTP request to an AWS endpoint while it goes through WIRE_IN and WIRE_OUT."""

from __future__ import annotations

from dataclasses import dataclass

from freehold.front.body import Body
from freehold.front.offer import Offer
from freehold.kit.http import Request, Response
from freehold.ports.call import Call
from freehold.ports.identity import Principal
from freehold.ports.platform import Platform
from freehold.wire.base import Match
from freehold.wire.sigv4 import AuthFailure, Signature


@dataclass(slots=True)
class Exchange:
    """The request, and what the steps found out about it so far."""

    platform: Platform
    offer: Offer
    request: Request
    body: Body
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
