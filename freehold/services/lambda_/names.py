"""Names of functions and layers as callers write them: bare, partial ARN or full ARN, with or without a qualifier."""

from __future__ import annotations

import re
from typing import NamedTuple

from freehold.kit import arns
from freehold.kit.faults import Fault

LATEST = "$LATEST"

_FUNCTION = re.compile(
    r"(?:(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):function:|function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_LAYER = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<version>[0-9]{1,15}))?"
)


class FunctionName(NamedTuple):
    """A function as addressed. `qualifier` is "" when absent, else a version, an alias or $LATEST."""

    account: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return function_arn(self.account, self.region, self.name)

    @property
    def qualified_arn(self) -> str:
        """The ARN with its qualifier, where there is one."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


class LayerName(NamedTuple):
    """A layer as addressed; `version` is 0 when absent."""

    account: str
    region: str
    name: str
    version: int = 0

    @property
    def arn(self) -> str:
        return arns.make("lambda", self.region, self.account, f"layer:{self.name}")

    @property
    def version_arn(self) -> str:
        return f"{self.arn}:{self.version}"


def function_arn(account: str, region: str, name: str) -> str:
    """`arn:aws:lambda:region:account:function:name`."""
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def parse_function(text: str, qualifier: str | None, account: str, region: str) -> FunctionName:
    """What a FunctionName and a Qualifier parameter mean to a caller of `account` in `region`."""
    match = _FUNCTION.fullmatch(text)
    if match is None:
        raise Fault("ValidationException", _pattern_message(text))
    named_region = match["region"] or region
    if named_region != region:
        raise Fault(
            "ResourceNotFoundException",
            f"Functions from '{named_region}' are not reachable in this region ('{region}')",
        )
    embedded = match["qualifier"] or ""
    if embedded and qualifier and embedded != qualifier:
        raise Fault(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    return FunctionName(match["account"] or account, region, match["name"], qualifier or embedded)


def _pattern_message(text: str) -> str:
    return (
        f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?"
        "([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
    )


def parse_layer(text: str, account: str, region: str) -> LayerName:
    """A LayerName parameter: a bare name or the ARN of a layer or of one of its versions."""
    if ":" not in text:
        return LayerName(account, region, text)
    match = _LAYER.fullmatch(text)
    if match is None:
        raise Fault("InvalidParameterValueException", f"Invalid layer ARN: {text}")
    return LayerName(match["account"], match["region"], match["name"], int(match["version"] or 0))
