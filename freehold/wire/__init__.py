"""AWS's wire protocols, both directions, from botocore's service models. See `wire.base` for the values."""

from __future__ import annotations

from freehold.wire.auth import auth_fault
from freehold.wire.base import Match, WireFault
from freehold.wire.chunked import Body, decode_chunked
from freehold.wire.coercion import coerce
from freehold.wire.models import Operation, Service, load, signing_name
from freehold.wire.parsing import parse
from freehold.wire.rendering import render, render_fault
from freehold.wire.routing import UNKNOWN, match
from freehold.wire.sigv4 import AuthFailure, Signature, read_signature, verify
from freehold.wire.validation import validate

__all__ = [
    "UNKNOWN",
    "AuthFailure",
    "Body",
    "Match",
    "Operation",
    "Service",
    "Signature",
    "WireFault",
    "auth_fault",
    "coerce",
    "decode_chunked",
    "load",
    "match",
    "parse",
    "read_signature",
    "render",
    "render_fault",
    "signing_name",
    "validate",
    "verify",
]
