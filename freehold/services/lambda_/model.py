"""The values that Lambda keeps, and how they are described to callers."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from freehold.services.lambda_.names import LATEST, function_arn
from freehold.work.blobs import Blob


class LayerUse(msgspec.Struct, frozen=True):
    """A layer version that a function version uses. `package` is the hexadecimal SHA-256 of its archive."""

    arn: str
    size: int
    unzipped: int
    package: str


class Version(msgspec.Struct):
    """One version of a function: all that determines how it runs. `number` 0 is $LATEST."""

    name: str
    number: int
    runtime: str
    role: str
    handler: str
    package: str
    """Hexadecimal SHA-256 of the deployment package."""
    code_size: int
    unzipped: int
    revision: str
    last_modified: str
    description: str = ""
    timeout: int = 3
    memory: int = 128
    environment: dict[str, str] = {}
    layers: list[LayerUse] = []
    architecture: str = "x86_64"
    ephemeral: int = 512
    tracing: str = "PassThrough"
    log_format: str = "Text"
    application_level: str | None = None
    system_level: str | None = None
    log_group: str = ""
    runs_on: str = ""
    """The runtime that really runs it on this host; equal to `runtime` where that is installed."""
    host_architecture: str = "x86_64"
    dead_letter: str | None = None
    """ARN of the queue or topic for events that failed."""

    @property
    def qualifier(self) -> str:
        return str(self.number) if self.number else LATEST

    @property
    def code_sha256(self) -> str:
        """As AWS writes it: base64."""
        return base64.b64encode(bytes.fromhex(self.package)).decode()

    def behaviour(self) -> tuple[Any, ...]:
        """What makes a published version differ from another one: code and configuration, not names and dates."""
        fields = msgspec.structs.asdict(self)
        for name in ("number", "revision", "last_modified", "description", "host_architecture"):
            del fields[name]
        return tuple(fields.values())


class Function(msgspec.Struct):
    """What all versions of a function share. `generation` tells it from an earlier function of the same name."""

    name: str
    generation: str
    last_version: int = 0
    reserved: int | None = None
    tags: dict[str, str] = {}
    recursion: str = "Terminate"
    """What a recursive loop meets: Terminate or Allow."""


class Alias(msgspec.Struct):
    """A name for one version, or for two with a weight for the second."""

    name: str
    version: int
    revision: str
    description: str = ""
    routes: dict[str, float] = {}

    def describe(self, arn: str) -> dict[str, Any]:
        """AliasConfiguration of the function with this ARN."""
        shown: dict[str, Any] = {
            "AliasArn": f"{arn}:{self.name}",
            "Name": self.name,
            "FunctionVersion": str(self.version) if self.version else LATEST,
            "Description": self.description,
            "RevisionId": self.revision,
        }
        if self.routes:
            shown["RoutingConfig"] = {"AdditionalVersionWeights": dict(self.routes)}
        return shown


class Package(msgspec.Struct):
    """A stored archive, known by its SHA-256. `uses` counts the versions of functions and layers that name it."""

    blob: Blob
    size: int
    unzipped: int
    uses: int = 0


class LayerVersion(msgspec.Struct):
    """One immutable version of a layer."""

    name: str
    number: int
    package: str
    size: int
    unzipped: int
    created: str
    description: str = ""
    runtimes: list[str] = []
    architectures: list[str] = []
    license: str | None = None


class Policy(msgspec.Struct):
    """A resource policy: statements as they are shown, keyed by Sid, in the order they were added."""

    revision: str
    statements: dict[str, dict[str, Any]] = {}


class InvokeConfig(msgspec.Struct):
    """What is set for asynchronous invocations of a function, a version or an alias; None is Lambda's default."""

    qualifier: str
    """$LATEST for the function itself."""
    modified: float
    retries: int | None = None
    max_age_s: int | None = None
    on_success: str | None = None
    on_failure: str | None = None

    def describe(self, arn: str) -> dict[str, Any]:
        """FunctionEventInvokeConfig of the function with this ARN."""
        destinations: dict[str, Any] = {"OnSuccess": {}, "OnFailure": {}}
        if self.on_success:
            destinations["OnSuccess"]["Destination"] = self.on_success
        if self.on_failure:
            destinations["OnFailure"]["Destination"] = self.on_failure
        shown: dict[str, Any] = {
            "LastModified": self.modified,
            "FunctionArn": f"{arn}:{self.qualifier}",
            "DestinationConfig": destinations,
        }
        if self.retries is not None:
            shown["MaximumRetryAttempts"] = self.retries
        if self.max_age_s is not None:
            shown["MaximumEventAgeInSeconds"] = self.max_age_s
        return shown


class FunctionUrl(msgspec.Struct):
    """The URL of a function or of one of its aliases."""

    id: str
    name: str
    qualifier: str
    auth_type: str
    created: str
    modified: str
    invoke_mode: str = "BUFFERED"
    cors: dict[str, Any] | None = None


def runtime_label(runtime: str) -> str:
    """How INIT_START names a runtime: `python:3.13.v1`."""
    for family in ("python", "nodejs", "provided"):
        if runtime.startswith(family):
            detail = runtime.removeprefix(family).strip(".").removesuffix(".x")
            return f"{family}:{detail}.v1" if detail else f"{family}.v1"
    return runtime


def runtime_version_arn(region: str, runtime: str) -> str:
    """The ARN that stands for what really runs a runtime."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime_label(runtime).encode()).hexdigest()}"


def describe(version: Version, account: str, region: str, *, qualified: bool = True) -> dict[str, Any]:
    """FunctionConfiguration of a version that is ready to run."""
    arn = function_arn(account, region, version.name)
    logging: dict[str, Any] = {"LogFormat": version.log_format, "LogGroup": version.log_group}
    if version.application_level:
        logging["ApplicationLogLevel"] = version.application_level
    if version.system_level:
        logging["SystemLogLevel"] = version.system_level
    shown: dict[str, Any] = {
        "FunctionName": version.name,
        "FunctionArn": f"{arn}:{version.qualifier}" if qualified else arn,
        "Runtime": version.runtime,
        "Role": version.role,
        "Handler": version.handler,
        "CodeSize": version.code_size,
        "Description": version.description,
        "Timeout": version.timeout,
        "MemorySize": version.memory,
        "LastModified": version.last_modified,
        "CodeSha256": version.code_sha256,
        "Version": version.qualifier,
        "TracingConfig": {"Mode": version.tracing},
        "RevisionId": version.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.ephemeral},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": _runtime_version(version, region),
        "LoggingConfig": logging,
    }
    if version.environment:
        shown["Environment"] = {"Variables": dict(version.environment)}
    if version.dead_letter:
        shown["DeadLetterConfig"] = {"TargetArn": version.dead_letter}
    if version.layers:
        shown["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.size} for layer in version.layers]
    return shown


def _runtime_version(version: Version, region: str) -> dict[str, Any]:
    """RuntimeVersionConfig; its Error says where this host runs something else than was declared."""
    shown: dict[str, Any] = {"RuntimeVersionArn": runtime_version_arn(region, version.runs_on)}
    notes = []
    if version.runs_on != version.runtime:
        notes.append(f"{version.runtime} is not installed on this host: the function runs on {version.runs_on}.")
    if version.architecture != version.host_architecture:
        notes.append(f"The function runs on this host's architecture, {version.host_architecture}.")
    if notes:
        shown["Error"] = {"ErrorCode": "NearestRuntime", "Message": " ".join(notes)}
    return shown


def creating(shown: dict[str, Any]) -> dict[str, Any]:
    """A configuration as CreateFunction and PublishVersion answer it: the function becomes active after the answer."""
    shown = dict(shown)
    del shown["LastUpdateStatus"]
    shown["State"] = "Pending"
    shown["StateReason"] = "The function is being created."
    shown["StateReasonCode"] = "Creating"
    return shown


def updating(shown: dict[str, Any]) -> dict[str, Any]:
    """A configuration as the update operations answer it: in effect when the answer arrives, in progress by its text."""
    shown = dict(shown)
    shown["LastUpdateStatus"] = "InProgress"
    shown["LastUpdateStatusReason"] = "The function is being created."
    shown["LastUpdateStatusReasonCode"] = "Creating"
    return shown
