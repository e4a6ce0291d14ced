"""`freehold deploy`: package a template's local code and deploy it as a stack, through the AWS API like any other tool."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from freehold.rules.templates import document

if TYPE_CHECKING:
    import boto3

LOCAL_CODE = {
    "AWS::Serverless::Function": ("CodeUri",),
    "AWS::Serverless::LayerVersion": ("ContentUri",),
    "AWS::Lambda::Function": ("Code",),
    "AWS::Lambda::LayerVersion": ("Content",),
}
AS_S3_OBJECT = frozenset({"Code", "Content"})
BUCKET_PREFIX = "freehold-deploy-"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
EPOCH = (1980, 1, 1, 0, 0, 0)


class DeployError(Exception):
    """The deployment cannot go on; the text says why."""


def zipped(path: Path) -> bytes:
    """A directory or file as a zip with fixed times, so that equal code has an equal hash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, name in _files(path):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (file.stat().st_mode & 0o777 | 0o444) << 16
            archive.writestr(info, file.read_bytes())
    return buffer.getvalue()


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        yield path, path.name
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file, file.relative_to(path).as_posix()


def package(template: dict[str, Any], base: Path, s3: Any, bucket: str) -> int:
    """Upload local code and point the template at it, in SAM's Globals too. Returns the number of packages."""
    uploaded: dict[Path, str] = {}
    for kind, properties in _described(template):
        for name in LOCAL_CODE.get(kind, ()) if isinstance(kind, str) else ():
            where = properties.get(name) if isinstance(properties, dict) else None
            if not isinstance(where, str) or where.startswith(("s3://", "http://", "https://")):
                continue
            path = (base / where).resolve()
            if not path.exists():
                raise DeployError(f"{name} {where} does not exist below {base}.")
            if path not in uploaded:
                content = path.read_bytes() if path.suffix == ".zip" else zipped(path)
                key = hashlib.sha256(content).hexdigest()[:32]
                s3.put_object(Bucket=bucket, Key=key, Body=content)
                uploaded[path] = key
            key = uploaded[path]
            target = {"S3Bucket": bucket, "S3Key": key} if name in AS_S3_OBJECT else f"s3://{bucket}/{key}"
            properties[name] = target
    return len(uploaded)


def _described(template: Any) -> Iterator[tuple[Any, Any]]:
    """Type and properties of each resource, and of what SAM's Globals say."""
    sections = template if isinstance(template, dict) else {}
    resources, shared = sections.get("Resources"), sections.get("Globals")
    for resource in resources.values() if isinstance(resources, dict) else ():
        if isinstance(resource, dict):
            yield resource.get("Type"), resource.get("Properties")
    for name, properties in shared.items() if isinstance(shared, dict) else ():
        yield f"AWS::Serverless::{name}", properties


def deploy(session: boto3.Session, endpoint: str, template_file: Path, stack: str) -> dict[str, str]:
    """Package, create or update the stack, wait. Returns its outputs. Raises DeployError with the first failure."""
    s3 = session.client("s3", endpoint_url=endpoint)
    cloudformation = session.client("cloudformation", endpoint_url=endpoint)
    bucket = BUCKET_PREFIX + session.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"]
    s3.create_bucket(Bucket=bucket)
    template = document.parse(template_file.read_text())
    package(template, template_file.parent, s3, bucket)
    body = orjson.dumps(template).decode()
    create = not _exists(cloudformation, stack)
    act = cloudformation.create_stack if create else cloudformation.update_stack
    try:
        act(StackName=stack, TemplateBody=body, Capabilities=CAPABILITIES)
    except cloudformation.exceptions.ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeployError(error.response["Error"]["Message"]) from error
        return _outputs(cloudformation, stack)
    waiter = cloudformation.get_waiter("stack_create_complete" if create else "stack_update_complete")
    from botocore.exceptions import WaiterError

    try:
        waiter.wait(StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6_000})
    except WaiterError:
        raise DeployError(_first_failure(cloudformation, stack)) from None
    return _outputs(cloudformation, stack)


def _exists(cloudformation: Any, stack: str) -> bool:
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except cloudformation.exceptions.ClientError:
        return False
    return bool(found and found[0]["StackStatus"] != "DELETE_COMPLETE")


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _first_failure(cloudformation: Any, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("FAILED")]
    if not failed:
        return f"The stack {stack} did not complete; see its events."
    return f"{failed[0]['LogicalResourceId']}: {failed[0].get('ResourceStatusReason', failed[0]['ResourceStatus'])}"


def command(endpoint: str, template: str, stack: str | None) -> None:
    """`freehold deploy [TEMPLATE] [--stack NAME]`. Raises DeployError."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    file = Path(template)
    if file.is_dir():
        file = file / "template.yaml"
    if not file.is_file():
        raise DeployError(f"There is no template at {file}.")
    session = boto3.Session()
    if session.get_credentials() is None:
        session = session_for_open_mode()
    elif session.region_name is None:
        session = boto3.Session(region_name="us-east-1")
    name = stack or file.absolute().parent.name
    print(f"Deploying {file} as the stack {name} ...", file=sys.stderr)
    try:
        outputs = deploy(session, endpoint, file, name)
    except EndpointConnectionError as problem:
        raise DeployError(f"Nothing answers at {endpoint}. Start it with: freehold up") from problem
    except (BotoCoreError, ClientError, document.TemplateError, UnicodeDecodeError) as problem:
        raise DeployError(str(problem)) from problem
    for key, value in outputs.items():
        print(f"{key} = {value}")


def session_for_open_mode() -> boto3.Session:
    """What open mode takes where the environment has no credentials."""
    import boto3

    return boto3.Session("test", "test", region_name="us-east-1")
