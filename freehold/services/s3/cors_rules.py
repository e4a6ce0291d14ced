"""Rules of cross-origin resource sharing: what is accepted, and what they allow. Pure."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.services.s3.attributes import malformed_xml

Rule = dict[str, Any]

METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
MAX_RULES = 100


def check(rules: list[Rule]) -> None:
    """Raise MalformedXML or InvalidRequest for rules that S3 does not take."""
    if not 1 <= len(rules) <= MAX_RULES:
        raise malformed_xml()
    for rule in rules:
        _check(rule)


def _check(rule: Rule) -> None:
    if not rule.get("AllowedMethods") or not rule.get("AllowedOrigins") or len(rule.get("ID", "")) > 255:
        raise malformed_xml()
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            message = f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            raise Fault("InvalidRequest", message, status=400)
    for name, word in (("AllowedOrigins", "AllowedOrigin"), ("AllowedHeaders", "AllowedHeader")):
        for value in rule.get(name) or []:
            if value.count("*") > 1:
                message = f'{word} "{value}" can not have more than one wildcard.'
                raise Fault("InvalidRequest", message, status=400)
    for value in rule.get("ExposeHeaders") or []:
        if "*" in value:
            message = (
                f'ExposeHeader "{value}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
            )
            raise Fault("InvalidRequest", message, status=400)


def find(rules: list[Rule], origin: str, method: str, headers: list[str]) -> Rule | None:
    """The first rule that allows origin, method and every header (in lower case)."""
    for rule in rules:
        if (
            method in rule["AllowedMethods"]
            and any(_like(pattern, origin) for pattern in rule["AllowedOrigins"])
            and all(any(_like(one.lower(), name) for one in rule.get("AllowedHeaders") or []) for name in headers)
        ):
            return rule
    return None


def allowed(rule: Rule, origin: str) -> dict[str, str]:
    """The headers by which a browser learns that it may."""
    anyone = "*" in rule["AllowedOrigins"]
    headers = {
        "Access-Control-Allow-Origin": "*" if anyone else origin,
        "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if not anyone:
        headers["Access-Control-Allow-Credentials"] = "true"
    if rule.get("ExposeHeaders"):
        headers["Access-Control-Expose-Headers"] = ", ".join(rule["ExposeHeaders"])
    if "MaxAgeSeconds" in rule:
        headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
    return headers


def _like(pattern: str, text: str) -> bool:
    """One `*` at most."""
    front, star, back = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(front) + len(back) and text.startswith(front) and text.endswith(back)
