"""AWS STS: who am I, and temporary credentials that authenticate."""

from __future__ import annotations

from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.ports.identity import Credential, Principal
from freehold.services.iam import port, state
from freehold.services.iam.model import Role

Request = dict[str, Any]
MAX_CHAINED = 3_600


async def get_caller_identity(call: Call, request: Request) -> Request:
    principal = call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


async def assume_role(call: Call, request: Request) -> Request:
    for name in (
        "MinimumSessionTokenSize",
        "Policy",
        "PolicyArns",
        "SerialNumber",
        "TokenCode",
        "TransitiveTagKeys",
        "ProvidedContexts",
    ):
        if request.get(name):
            raise not_implemented(f"{name} of sts:AssumeRole")
    if request.get("Tags"):
        raise not_implemented("session tags (Tags of sts:AssumeRole)")
    arn = arns.parse(request["RoleArn"])
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise Fault("ValidationError", f"{request['RoleArn']} is invalid")
    role = await call.platform.store.read(lambda tx: state.find(tx, Role, arn.account, arn.resource.rpartition("/")[2]))
    if role is None or role.arn != request["RoleArn"]:
        raise Fault(
            "AccessDenied",
            f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {request['RoleArn']}",
            status=403,
        )
    seconds = request.get("DurationSeconds", 3_600)
    if seconds > role.max_session:
        raise Fault(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    if ":assumed-role/" in call.principal.arn and seconds > MAX_CHAINED:
        raise Fault(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for role chaining",
        )
    session = request["RoleSessionName"]
    principal = Principal(
        arn.account, f"arn:aws:sts::{arn.account}:assumed-role/{role.name}/{session}", f"{role.id}:{session}"
    )
    credential = port.of(call.platform).issue(principal, seconds)
    answer: Request = {
        "Credentials": _shape(credential),
        "AssumedRoleUser": {"AssumedRoleId": principal.user_id, "Arn": principal.arn},
    }
    if request.get("SourceIdentity"):
        raise not_implemented("SourceIdentity of sts:AssumeRole")
    return answer


async def get_session_token(call: Call, request: Request) -> Request:
    for name in ("MinimumSessionTokenSize", "SerialNumber", "TokenCode"):
        if request.get(name):
            raise not_implemented(f"{name} of sts:GetSessionToken")
    if ":assumed-role/" in call.principal.arn:
        raise Fault("AccessDenied", "Cannot call GetSessionToken with session credentials", status=403)
    root = call.principal.arn.endswith(":root")
    seconds = min(request.get("DurationSeconds", 3_600 if root else 43_200), 3_600 if root else 129_600)
    return {"Credentials": _shape(port.of(call.platform).issue(call.principal, seconds))}


async def get_access_key_info(call: Call, request: Request) -> Request:
    key_id = request["AccessKeyId"]
    record = await call.platform.store.read(lambda tx: state.key(tx, key_id))
    if record is None:
        raise Fault("ValidationError", f"Access Key {key_id} is not valid.")
    return {"Account": record.account}


def _shape(credential: Credential) -> Request:
    return {
        "AccessKeyId": credential.access_key_id,
        "SecretAccessKey": credential.secret_access_key,
        "SessionToken": credential.session_token,
        "Expiration": credential.expires_at,
    }
