"""What Lambda accepts as a function's settings. Pure: no store, no files. Messages are AWS's where they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.services.lambda_ import limits

_ENVIRONMENT_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")

_REFUSED = {
    "KMSKeyArn": "KMSKeyArn of Lambda functions (customer managed keys)",
    "FileSystemConfigs": "FileSystemConfigs of Lambda functions",
    "ImageConfig": "ImageConfig of Lambda functions (container images)",
    "CodeSigningConfigArn": "CodeSigningConfigArn of Lambda functions",
    "DurableConfig": "DurableConfig of Lambda functions",
    "CapacityProviderConfig": "CapacityProviderConfig of Lambda functions",
    "TenancyConfig": "TenancyConfig of Lambda functions",
    "RuntimeConfig": "RuntimeConfig of Lambda functions",
    "AcceleratorConfig": "AcceleratorConfig of Lambda functions",
    "PublishTo": "PublishTo LATEST_PUBLISHED",
    "SourceKMSKeyArn": "SourceKMSKeyArn of Lambda functions",
}


def refuse_unimplemented(request: Mapping[str, Any]) -> None:
    """Raise by name for settings that Freehold cannot act on. Empty values, which ask for nothing, pass."""
    for name, what in _REFUSED.items():
        if request.get(name):
            raise not_implemented(what)
    if request.get("PackageType") == "Image":
        raise not_implemented("PackageType Image (container images)")
    vpc = request.get("VpcConfig") or {}
    if vpc.get("SubnetIds") or vpc.get("SecurityGroupIds"):
        raise not_implemented("VpcConfig of Lambda functions")
    if (request.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions":
        raise not_implemented("SnapStart")
    code = request.get("Code") or request
    if code.get("ImageUri"):
        raise not_implemented("ImageUri (container images)")
    if code.get("SourceKMSKeyArn"):
        raise not_implemented("SourceKMSKeyArn of Lambda functions")
    if code.get("S3ObjectStorageMode") == "REFERENCE":
        raise not_implemented("S3ObjectStorageMode REFERENCE")


def settings(request: Mapping[str, Any]) -> None:
    """Sizes, times, environment and layers of CreateFunction and UpdateFunctionConfiguration."""
    _range(request.get("Timeout"), "timeout", limits.MIN_TIMEOUT_S, limits.MAX_TIMEOUT_S)
    _range(request.get("MemorySize"), "memorySize", limits.MIN_MEMORY_MB, limits.MAX_MEMORY_MB)
    ephemeral = (request.get("EphemeralStorage") or {}).get("Size")
    _range(ephemeral, "ephemeralStorage.size", limits.MIN_EPHEMERAL_MB, limits.MAX_EPHEMERAL_MB)
    environment((request.get("Environment") or {}).get("Variables") or {})
    layer_arns(request.get("Layers") or [])
    logging(request.get("LoggingConfig") or {})
    architectures(request.get("Architectures") or [])
    dead_letter((request.get("DeadLetterConfig") or {}).get("TargetArn"))


def _range(value: int | None, member: str, low: int, high: int) -> None:
    if value is None or low <= value <= high:
        return
    bound = f"greater than or equal to {low}" if value < low else f"less than or equal to {high}"
    raise Fault(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must have value {bound}",
    )


def environment(variables: Mapping[str, str]) -> None:
    """Names, reserved names, and 4 KB in total."""
    for name in variables:
        if not _ENVIRONMENT_NAME.fullmatch(name):
            raise Fault(
                "ValidationException",
                f"1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must "
                f"satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+] ({name})",
            )
    reserved = sorted(limits.RESERVED_ENVIRONMENT.intersection(variables))
    if reserved:
        raise Fault(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
            + ", ".join(reserved),
        )
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > limits.MAX_ENVIRONMENT:
        raise Fault(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            f"exceeded the {limits.MAX_ENVIRONMENT // 1024}KB limit. String measured: {size} bytes",
        )


def layer_arns(arns: list[str]) -> None:
    """At most five layers, no layer twice."""
    if len(arns) > limits.MAX_LAYERS:
        raise Fault(
            "InvalidParameterValueException",
            f"Cannot reference more than {limits.MAX_LAYERS} layers.",
        )
    seen: dict[str, str] = {}
    for arn in arns:
        layer, _, version = arn.rpartition(":")
        if not version.isdigit() or layer.count(":") < 6:
            raise Fault("InvalidParameterValueException", f"Invalid layer version ARN: {arn}")
        if layer in seen:
            raise Fault(
                "InvalidParameterValueException",
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{seen[layer]} and {arn} are versions of the same layer.",
            )
        seen[layer] = arn


def logging(config: Mapping[str, Any]) -> None:
    """Log levels act on JSON logs only, as on AWS."""
    leveled = config.get("ApplicationLogLevel") or config.get("SystemLogLevel")
    if leveled and config.get("LogFormat", "Text") != "JSON":
        raise Fault(
            "InvalidParameterValueException",
            "ApplicationLogLevel and SystemLogLevel are supported only when LogFormat is set to JSON.",
        )


def dead_letter(target: str | None) -> None:
    """A queue or a topic, and no FIFO one: events have no group."""
    parsed = arns.parse(target) if target else None
    if target and (parsed is None or parsed.service not in ("sqs", "sns") or target.endswith(".fifo")):
        raise Fault(
            "InvalidParameterValueException",
            f"The target ARN {target} is invalid. A dead-letter target is a standard SQS queue or a standard SNS topic.",
            Type="User",
        )


def architectures(names: list[str]) -> None:
    """Exactly one."""
    if len(names) > 1:
        raise Fault("InvalidParameterValueException", "Architectures array must have exactly one element.")


def tags(given: Mapping[str, str]) -> None:
    """At most fifty, within their lengths."""
    if len(given) > limits.MAX_TAGS:
        raise Fault(
            "InvalidParameterValueException", f"Number of tags exceeds resource tag limit of {limits.MAX_TAGS}."
        )
    for name in given:
        if not 1 <= len(name) <= 128 or len(given[name]) > 256:
            raise Fault(
                "InvalidParameterValueException", f"The tag '{name}' is longer than 128, or its value than 256."
            )
