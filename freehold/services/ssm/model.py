"""Parameters: values and the pure rules of their names."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.rules import regexes

MAX_VERSIONS = 100
MAX_LABELS = 10
MAX_TAGS = 50
MAX_LEVELS = 15
STANDARD_BYTES = 4_096
ADVANCED_BYTES = 8_192
DEFAULT_KEY = "alias/aws/ssm"

_NAME = re.compile(r"[a-zA-Z0-9_.\-/]+")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.\-]{0,99}")


class Version(msgspec.Struct, omit_defaults=True):
    """One version of a parameter. `value` is what is stored: for SecureString the ciphertext."""

    number: int
    type: str
    value: str
    modified: float
    user: str
    description: str | None = None
    key_id: str | None = None
    allowed_pattern: str | None = None
    tier: str = "Standard"
    data_type: str = "text"


class Parameter(msgspec.Struct):
    """A parameter: its current version, its labels (label -> version number) and tags."""

    name: str
    current: Version
    labels: dict[str, int] = {}
    tags: dict[str, str] = {}

    def labels_of(self, number: int) -> list[str]:
        """The labels of one version."""
        return sorted(label for label, version in self.labels.items() if version == number)


def clean_name(name: str) -> str:
    """The name as stored. Raises ValidationException for what AWS does not allow as a name."""
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise Fault(
            "ValidationException",
            'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
            "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following "
            "3 symbols .-_",
        )
    first = name.lstrip("/").split("/", 1)[0].lower()
    if first.startswith(("aws", "ssm")):
        reserved = "aws" if first.startswith("aws") else "ssm"
        if reserved == "aws":
            raise Fault("AccessDeniedException", f"No access to reserved parameter name: {name}.")
        raise Fault("ValidationException", f'Parameter name: can\'t be prefixed with "{reserved}" (case-insensitive).')
    if "/" in name and not name.startswith("/"):
        raise Fault("ValidationException", "Parameter name must be a fully qualified name.")
    if name.count("/") > MAX_LEVELS:
        raise Fault(
            "HierarchyLevelLimitExceededException",
            f"Parameter name: parameter hierarchies are limited to a maximum depth of {MAX_LEVELS} levels.",
        )
    return name


def split_selector(name: str) -> tuple[str, str | None]:
    """`name`, `name:3`, `name:label` or the parameter's ARN -> (name, selector)."""
    if name.startswith("arn:"):
        arn = arns.parse(name)
        if arn is None or not arn.resource.startswith("parameter"):
            raise Fault("ValidationException", f"Invalid parameter ARN: {name}.")
        name = arn.resource.removeprefix("parameter")
        if name.count("/") == 1:
            name = name.lstrip("/")
    name, colon, selector = name.partition(":")
    return name, selector if colon else None


def arn_of(account: str, region: str, name: str) -> str:
    """The ARN of a parameter: one slash between `parameter` and the name."""
    return arns.make("ssm", region, account, f"parameter/{name.lstrip('/')}")


def check_value(version: Version, plain: str) -> None:
    """Refuse values beyond the tier's size or against the allowed pattern."""
    limit = ADVANCED_BYTES if version.tier == "Advanced" else STANDARD_BYTES
    if len(plain.encode()) > limit:
        hint = (
            ""
            if version.tier == "Advanced"
            else (
                " To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. "
                "For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/"
                "parameter-store-advanced-parameters.html"
            )
        )
        tier = version.tier.lower()
        raise Fault(
            "ValidationException",
            f"{version.tier} tier parameters support a maximum parameter value of {limit} characters.{hint}"
            if tier == "standard"
            else f"Advanced tier parameters support a maximum parameter value of {limit} characters.",
        )
    if not plain:
        raise Fault(
            "ValidationException",
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1.",
        )
    if version.allowed_pattern:
        _check_pattern(version.allowed_pattern, plain)


def _check_pattern(pattern: str, plain: str) -> None:
    try:
        fits = regexes.matches(pattern, plain)
    except regexes.BadPattern:
        raise Fault("InvalidAllowedPatternException", f"The allowed pattern {pattern} is not a valid regex.") from None
    except regexes.TooExpensive:
        raise Fault("InvalidAllowedPatternException", f"The allowed pattern {pattern} is too expensive.") from None
    if not fits:
        raise Fault(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def valid_label(label: str) -> bool:
    """Labels do not begin with a digit, `aws` or `ssm`."""
    return bool(_LABEL.fullmatch(label)) and not label.lower().startswith(("aws", "ssm"))


def described(parameter: Parameter, version: Version, value: str, arn: str, selector: str | None) -> dict[str, Any]:
    """A `Parameter` shape."""
    shape: dict[str, Any] = {
        "Name": parameter.name,
        "Type": version.type,
        "Value": value,
        "Version": version.number,
        "LastModifiedDate": version.modified,
        "ARN": arn,
        "DataType": version.data_type,
    }
    if selector:
        shape["Selector"] = f":{selector}"
    return shape


def metadata(parameter: Parameter, arn: str | None, version: Version | None = None) -> dict[str, Any]:
    """A `ParameterMetadata` shape, or with `version` the common part of a `ParameterHistory`."""
    v = version or parameter.current
    shape: dict[str, Any] = {
        "Name": parameter.name,
        "Type": v.type,
        "LastModifiedDate": v.modified,
        "LastModifiedUser": v.user,
        "Version": v.number,
        "Tier": v.tier,
        "Policies": [],
        "DataType": v.data_type,
    }
    optional = {"ARN": arn, "KeyId": v.key_id, "Description": v.description, "AllowedPattern": v.allowed_pattern}
    shape.update({name: value for name, value in optional.items() if value is not None})
    return shape
