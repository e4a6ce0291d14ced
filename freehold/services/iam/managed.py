"""AWS's managed policies, by ARN: those that serverless applications name. Others are NoSuchEntity, by their name."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

PREFIX = "arn:aws:iam::aws:policy/"


@lru_cache(maxsize=1)
def _policies() -> dict[str, dict[str, Any]]:
    raw: dict[str, list[dict[str, Any]]] = orjson.loads(
        resources.files("freehold.services.iam").joinpath("managed_policies.json").read_bytes()
    )
    return {PREFIX + path: {"Version": "2012-10-17", "Statement": statement} for path, statement in raw.items()}


def exists(policy_arn: str) -> bool:
    """Is this one of AWS's managed policies that Freehold knows?"""
    return policy_arn.startswith(PREFIX) and policy_arn in _policies()


def document(policy_arn: str) -> str:
    """The policy's document as JSON."""
    return orjson.dumps(_policies()[policy_arn]).decode()


def arns() -> list[str]:
    """All of them, in order."""
    return sorted(_policies())
