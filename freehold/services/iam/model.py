"""Identities and policies: values, limits, and the pure checks of names and documents."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from freehold.kit.faults import Fault

MAX_KEYS_PER_USER = 2
MAX_ATTACHED = 10
MAX_POLICY_VERSIONS = 5
MAX_MANAGED_DOCUMENT = 6_144
MAX_INLINE = {"user": 2_048, "role": 10_240, "group": 5_120}
"""Characters of all inline policies of one identity, white space not counted (IAM's documented quotas)."""
MAX_TRUST_DOCUMENT = 2_048

_ID_PREFIX = {"user": "AIDA", "role": "AROA", "group": "AGPA", "policy": "ANPA", "profile": "AIPA"}
_SPACES = re.compile(r"\s")


class Entity(msgspec.Struct, kw_only=True):
    """A user, role or group: what they have in common."""

    name: str
    id: str
    arn: str
    path: str
    created: float
    tags: dict[str, str] = {}
    inline: dict[str, str] = {}
    attached: list[str] = []
    boundary: str | None = None


class User(Entity, kw_only=True):
    """An IAM user; `keys` are the ids of its access keys."""

    keys: list[str] = []
    groups: list[str] = []


class Role(Entity, kw_only=True):
    """An IAM role."""

    trust: str
    description: str | None = None
    max_session: int = 3_600


class Group(Entity, kw_only=True):
    """An IAM group."""

    members: list[str] = []


class Profile(msgspec.Struct, kw_only=True):
    """An instance profile."""

    name: str
    id: str
    arn: str
    path: str
    created: float
    role: str | None = None
    tags: dict[str, str] = {}


class PolicyVersion(msgspec.Struct):
    """One version of a managed policy."""

    document: str
    created: float


class Policy(msgspec.Struct, kw_only=True):
    """A customer managed policy. `attached` counts the identities it is attached to."""

    name: str
    id: str
    arn: str
    path: str
    created: float
    updated: float
    description: str | None = None
    default: str = "v1"
    next: int = 2
    versions: dict[str, PolicyVersion] = {}
    attached: int = 0
    tags: dict[str, str] = {}


class AccessKey(msgspec.Struct, kw_only=True):
    """A long-term access key; without a user it belongs to the account's root."""

    id: str
    secret: str
    account: str
    user: str | None
    user_id: str
    user_arn: str
    created: float
    active: bool = True


def new_id(kind: str, random: str) -> str:
    """IAM's unique ids: a prefix by kind and 17 characters."""
    return _ID_PREFIX[kind] + random[:17]


def arn(account: str, kind: str, path: str, name: str) -> str:
    """`arn:aws:iam::123456789012:role/path/name`."""
    noun = {"profile": "instance-profile"}.get(kind, kind)
    return f"arn:aws:iam::{account}:{noun}{path}{name}"


def check_document(text: str, *, trust: bool = False) -> dict[str, Any]:
    """The parsed policy document. Raises MalformedPolicyDocument with IAM's words."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _malformed("This policy contains invalid Json") from None
    if not isinstance(document, dict):
        raise _malformed("Syntax errors in policy.")
    unknown = set(document) - {"Version", "Id", "Statement"}
    if unknown or document.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise _malformed("Syntax errors in policy.")
    statements = document.get("Statement")
    listed = [statements] if isinstance(statements, dict) else statements
    if not isinstance(listed, list) or not listed:
        raise _malformed("Missing required field Statement")
    for statement in listed:
        _check_statement(statement, trust=trust)
    return document


def _check_statement(statement: Any, *, trust: bool) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Missing required field Effect" if isinstance(statement, dict) else "Syntax errors in policy.")
    if not ({"Action", "NotAction"} & set(statement)):
        raise _malformed("Policy statement must contain actions.")
    if trust:
        if not ({"Principal", "NotPrincipal"} & set(statement)):
            raise _malformed("Missing required field Principal")
        if {"Resource", "NotResource"} & set(statement):
            raise _malformed("Has prohibited field Resource")
        return
    if {"Principal", "NotPrincipal"} & set(statement):
        raise _malformed("Policy document should not specify a principal.")
    if not ({"Resource", "NotResource"} & set(statement)):
        raise _malformed("Policy statement must contain resources.")


def _malformed(message: str) -> Fault:
    return Fault("MalformedPolicyDocument", message)


def size(document: str) -> int:
    """Characters of a document as IAM counts them: without white space."""
    return len(_SPACES.sub("", document))


def encoded(document: str) -> str:
    """Documents in IAM's answers are percent-encoded (RFC 3986)."""
    return quote(document, safe="")


def listed_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as IAM lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def no_entity(message: str) -> Fault:
    """NoSuchEntity."""
    return Fault("NoSuchEntity", message)


def missing(kind: str, name: str) -> Fault:
    """NoSuchEntity for an identity, in IAM's words."""
    noun = {"profile": "Instance Profile"}.get(kind, kind)
    return no_entity(f"The {noun} with name {name} cannot be found.")
