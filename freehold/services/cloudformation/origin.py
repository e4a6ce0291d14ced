"""On whose behalf CloudFormation works, and what it fetches for them: templates, parameters, secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.ports.identity import Principal
from freehold.ports.platform import Platform
from freehold.rules import s3urls
from freehold.services.cloudformation.model import MAX_URL_BODY
from freehold.services.cloudformation.state import Keys

_S3_HELP = "\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, for which account and region. `host` is the address they used, by which they may name objects."""

    platform: Platform
    account: str
    region: str
    principal: Principal
    host: str = ""

    @property
    def keys(self) -> Keys:
        return Keys(self.account, self.region)

    async def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """An AWS call as the principal. Raises Fault."""
        return await self.call_once(None, service, operation, request)

    async def call_once(
        self, once: bytes | None, service: str, operation: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        """The same, whose answer is kept under a row of the caller's (ports/once.py)."""
        return await self.platform.calls.call(
            service, operation, request, principal=self.principal, account=self.account, region=self.region, once=once
        )


def of(call: Call) -> Origin:
    """The origin of an API call."""
    return Origin(call.platform, call.account, call.region, call.principal, call.http.host if call.http else "")


async def fetch_object(origin: Origin, url: str, most: int = MAX_URL_BODY) -> str:
    """The text of an S3 object named in any form, this server's own address too; read from the store, never by HTTP."""
    own = {urlsplit(origin.platform.settings.url).netloc, origin.host} - {""}
    location = s3urls.parse(url, own)
    if location is None or not location.key:
        raise Fault("ValidationError", "TemplateURL must be a supported URL.")
    request: dict[str, Any] = {"Bucket": location.bucket, "Key": location.key}
    if location.version_id:
        request["VersionId"] = location.version_id
    try:
        answer = await origin.call("s3", "GetObject", **request)
    except Fault as fault:
        if fault.code == "NotImplemented":
            raise
        raise Fault("ValidationError", f"S3 error: {fault.message or fault.code}{_S3_HELP}") from fault
    raw = await _read(answer["Body"], most)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault("ValidationError", "Template format error: the template is not UTF-8 text.") from error


async def _read(body: bytes | AsyncIterator[bytes], most: int) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        whole = bytes(body)
    else:
        pieces, size = [], 0
        async for piece in body:
            pieces.append(piece)
            size += len(piece)
            if size > most:
                break
        whole = b"".join(pieces)
    if len(whole) > most:
        raise Fault("ValidationError", "Template may not exceed 1000000 bytes in size.")
    return whole


async def ssm_values(origin: Origin, names: list[str]) -> dict[str, str]:
    """Values of SSM parameters by name. Raises Fault where one is missing."""
    found: dict[str, str] = {}
    missing: list[str] = []
    unique = list(dict.fromkeys(names))
    for at in range(0, len(unique), 10):
        answer = await origin.call("ssm", "GetParameters", Names=unique[at : at + 10], WithDecryption=False)
        for parameter in answer.get("Parameters", []):
            if parameter["Type"] == "SecureString":
                raise Fault(
                    "ValidationError",
                    f"Parameters [{parameter['Name']}] referenced by template have types not supported by CloudFormation.",
                )
            found[parameter["Name"] + parameter.get("Selector", "")] = parameter["Value"]
        missing += answer.get("InvalidParameters", [])
    if missing:
        raise Fault(
            "ValidationError",
            f"Unable to fetch parameters [{','.join(missing)}] from parameter store for this account.",
        )
    return found


async def check_role(origin: Origin, role_arn: str | None) -> None:
    """Refuse a service role that does not exist or does not trust CloudFormation."""
    if role_arn is None:
        return
    name = role_arn.rpartition("/")[2]
    if not origin.platform.calls.implements("iam", "GetRole"):
        raise not_implemented("RoleARN while IAM is not offered")
    try:
        await origin.call("iam", "GetRole", RoleName=name)
    except Fault as fault:
        raise Fault("ValidationError", f"Role {role_arn} is invalid or cannot be assumed") from fault
