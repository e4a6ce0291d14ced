"""MOCK integrations: constant templates choose a status and an answer; templates that compute are refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from freehold.kit.faults import not_implemented
from freehold.services.apigateway.rest.common import bad

JSON = "application/json"
_COMPUTES = re.compile(
    r"\$[!{]*[a-zA-Z]|(?m:^\s*#|#(?:set|if|foreach|else|end|macro|stop|define|parse|include|evaluate)\b)"
)

MAX_TEMPLATE = 300 << 10
"""Characters of a mapping template ("Amazon API Gateway quotas": 300 KB)."""
LENIENT = 4 << 10
"""Of one that is no JSON but read all the same: YAML takes a millisecond for 2 KB, on the event loop."""
_BARE_KEY = re.compile(r"([{,]\s*)(\w+)\s*:")


def check_constant(template: str | None) -> str:
    """The template, which has no references and no directives. Raises NotImplemented."""
    text = template or ""
    if len(text) > MAX_TEMPLATE:
        raise bad("Invalid mapping template specified: a template has at most 300 KB")
    if _COMPUTES.search(text):
        raise not_implemented("mapping templates with references or directives (VTL) of REST APIs")
    return text


@lru_cache(maxsize=256)
def status_of(template: str | None) -> int | None:
    """The status that a request template chooses: `{"statusCode": 200}`, or as CDK writes it, `{ statusCode: 200 }`.

    None where it names none, which API Gateway answers with 500. Raises BadRequestException, NotImplemented.
    """
    text = check_constant(template).strip()
    if not text:
        return None
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _lenient(text)
    status = value.get("statusCode") if isinstance(value, dict) else None
    if isinstance(status, str) and len(status) == 3 and status.isascii() and status.isdigit():
        status = int(status)
    # 1xx announce an answer, they are none.
    return status if isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 599 else None


def _lenient(text: str) -> Any:
    import yaml  # at first use, as everywhere

    try:
        if len(text) <= LENIENT:
            # API Gateway's reader of templates takes keys without quotes; YAML does where a space follows the colon.
            return yaml.safe_load(_BARE_KEY.sub(r'\1"\2": ', text.replace("\t", " ")))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        pass
    raise bad("Invalid request template specified: a MOCK integration takes a JSON object with statusCode")


def request_template(integration: Mapping[str, Any], content_type: str | None) -> tuple[bool, str | None]:
    """(whether the body may pass, the template for a content type). False is 415 Unsupported Media Type.

    Without a template of its type a body passes through by WHEN_NO_MATCH; a MOCK then finds no status in it.
    """
    templates: Mapping[str, str] = integration.get("requestTemplates") or {}
    kind = (content_type or JSON).partition(";")[0].strip().lower()
    if kind in templates:
        return True, templates[kind]
    behavior = integration.get("passthroughBehavior", "WHEN_NO_MATCH")
    refused = behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and bool(templates))
    return not refused, None


def choose(responses: Mapping[str, Mapping[str, Any]], status: int) -> Mapping[str, Any] | None:
    """The integration response for a status: the first whose pattern matches it, else the one without a pattern."""
    default = None
    for response in responses.values():
        pattern = response.get("selectionPattern")
        if not pattern or pattern == "default":
            default = default or response
        elif re.fullmatch(pattern, str(status)):
            return response
    return default


def response_template(response: Mapping[str, Any], accept: str | None) -> tuple[str, str]:
    """(content type, text) of the answer's body, by the Accept header's first type."""
    templates: Mapping[str, str] = response.get("responseTemplates") or {}
    wanted = (accept or JSON).partition(",")[0].partition(";")[0].strip().lower()
    for kind in (wanted, JSON, *templates):
        if kind in templates:
            return kind, templates[kind] or ""
    return JSON, ""
