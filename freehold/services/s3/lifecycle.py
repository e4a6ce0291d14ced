"""Lifecycle rules: what is accepted, and what they say of an object, a version, an upload. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from freehold.kit.faults import Fault, not_implemented
from freehold.services.s3.attributes import malformed_xml
from freehold.services.s3.model import Version

Rule = Mapping[str, Any]

TIMER = "s3.lifecycle"
"""Owner of timers, one per bucket that has rules."""
MAX_RULES = 1000
DAY_MS = 86_400_000
_REFUSED = ("Transitions", "NoncurrentVersionTransitions")
_ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


def check(rules: list[dict[str, Any]], new_id: str) -> list[dict[str, Any]]:
    """The rules of a bucket, each with an id. Raises InvalidArgument, InvalidRequest, MalformedXML, NotImplemented.

    `new_id` begins the ids of rules that have none.
    """
    if not 1 <= len(rules) <= MAX_RULES:
        raise malformed_xml()
    checked = []
    for number, rule in enumerate(rules):
        _check_rule(rule)
        checked.append({"ID": f"{new_id}{number:04d}", **rule})
    if len({rule["ID"] for rule in checked}) != len(checked):
        raise _invalid("Rule ID must be unique. Found same ID for one or more rules")
    return checked


def _check_rule(rule: Rule) -> None:
    if rule.get("Status") not in ("Enabled", "Disabled"):
        raise malformed_xml()
    for name in _REFUSED:
        if rule.get(name):
            raise not_implemented(f"{name} of S3 lifecycle rules")
    if len(rule.get("ID", "")) > 255:
        raise _invalid("ID length should not exceed allowed limit of 255")
    if ("Filter" in rule) == ("Prefix" in rule):
        raise malformed_xml()
    if not any(name in rule for name in _ACTIONS):
        raise Fault("InvalidRequest", "At least one action needs to be specified in a rule", status=400)
    condition = _condition(rule)
    if "AbortIncompleteMultipartUpload" in rule:
        _positive(rule["AbortIncompleteMultipartUpload"], "DaysAfterInitiation", "AbortIncompleteMultipartUpload")
        if condition["Tags"] or "ObjectSizeGreaterThan" in condition or "ObjectSizeLessThan" in condition:
            message = "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes"
            raise Fault("InvalidRequest", message, status=400)
    if "NoncurrentVersionExpiration" in rule:
        _positive(rule["NoncurrentVersionExpiration"], "NoncurrentDays", "NoncurrentVersionExpiration")
    if "Expiration" in rule:
        _check_expiration(rule["Expiration"])


def _check_expiration(expiration: Rule) -> None:
    given = [name for name in ("Days", "Date", "ExpiredObjectDeleteMarker") if name in expiration]
    if len(given) != 1:
        raise malformed_xml()
    if given == ["Days"]:
        _positive(expiration, "Days", "Expiration")
    elif given == ["Date"] and expiration["Date"] % 86_400:
        raise _invalid("'Date' must be at midnight GMT")


def _positive(action: Rule, name: str, action_name: str) -> None:
    if name not in action:
        raise malformed_xml()
    if action[name] <= 0:
        raise _invalid(f"'{name}' for {action_name} action must be a positive integer")


def _invalid(message: str) -> Fault:
    return Fault("InvalidArgument", message, status=400)


def _condition(rule: Rule) -> dict[str, Any]:
    """The rule's filter as one conjunction: Prefix, Tags and sizes."""
    found = rule.get("Filter") or {}
    both = found.get("And") or {}
    tags = [found["Tag"]] if "Tag" in found else []
    condition = {"Prefix": rule.get("Prefix", ""), "Tags": tags} | {
        k: v for k, v in found.items() if k not in ("And", "Tag")
    }
    condition |= {name: value for name, value in both.items() if name != "Tags"}
    condition["Tags"] = tags + list(both.get("Tags") or [])
    return condition


def covers(rule: Rule, key: str, version: Version | None) -> bool:
    """Is the rule about this object (or upload, without a version)?"""
    if rule["Status"] != "Enabled":
        return False
    condition = _condition(rule)
    if not key.startswith(condition["Prefix"]):
        return False
    if version is None:
        return True
    if any(version.tags.get(tag["Key"]) != tag["Value"] for tag in condition["Tags"]):
        return False
    least, most = condition.get("ObjectSizeGreaterThan", -1), condition.get("ObjectSizeLessThan", 1 << 62)
    return bool(least < version.size < most)


def after_days(start_ms: int, days: int) -> int:
    """`days` later, rounded up to the next midnight UTC, as S3 counts."""
    return -(-(start_ms + days * DAY_MS) // DAY_MS) * DAY_MS


def expiry(rules: list[dict[str, Any]], key: str, version: Version) -> tuple[int, str] | None:
    """When a current object expires, and by which rule; None if no rule says."""
    found: tuple[int, str] | None = None
    for rule in rules:
        expiration = rule.get("Expiration") or {}
        if "Days" in expiration:
            due = after_days(version.modified_ms, expiration["Days"])
        elif "Date" in expiration:
            due = int(expiration["Date"] * 1000)
        else:
            continue
        if (found is None or due < found[0]) and covers(rule, key, version):
            found = (due, rule["ID"])
    return found


def expiration_header(found: tuple[int, str]) -> str:
    """`x-amz-expiration` of an object."""
    return f'expiry-date="{formatdate(found[0] // 1000, usegmt=True)}", rule-id="{quote(found[1])}"'


def noncurrent_expires(
    rules: list[dict[str, Any]], key: str, version: Version, since_ms: int, newer: int, now_ms: int
) -> bool:
    """Shall a noncurrent version go? `since_ms` is when it was replaced, `newer` how many noncurrent ones are newer."""
    for rule in rules:
        action = rule.get("NoncurrentVersionExpiration")
        if action is None or newer < action.get("NewerNoncurrentVersions", 0):
            continue
        if after_days(since_ms, action["NoncurrentDays"]) <= now_ms and covers(rule, key, version):
            return True
    return False


def marker_expires(rules: list[dict[str, Any]], key: str, marker: Version, now_ms: int) -> bool:
    """Shall a delete marker go that hides nothing any more?"""
    for rule in rules:
        expiration = rule.get("Expiration") or {}
        if not covers(rule, key, marker):
            continue
        if expiration.get("ExpiredObjectDeleteMarker"):
            return True
        if "Days" in expiration and after_days(marker.modified_ms, expiration["Days"]) <= now_ms:
            return True
    return False


def upload_ends(rules: list[dict[str, Any]], key: str, initiated_ms: int) -> tuple[int, str] | None:
    """When an unfinished upload is aborted, and by which rule."""
    found: tuple[int, str] | None = None
    for rule in rules:
        action = rule.get("AbortIncompleteMultipartUpload")
        if action is None:
            continue
        due = after_days(initiated_ms, action["DaysAfterInitiation"])
        if (found is None or due < found[0]) and covers(rule, key, None):
            found = (due, rule["ID"])
    return found


def next_midnight(now_ms: int) -> int:
    """When rules are looked at next."""
    return (now_ms // DAY_MS + 1) * DAY_MS
