"""AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import access, rows, state
from freehold.services.lambda_.layers import require_layer
from freehold.services.lambda_.model import Policy
from freehold.services.lambda_.names import LayerName, parse_layer
from freehold.services.lambda_.policies import checked, conflict, document, principal
from freehold.services.lambda_.rows import Keys
from freehold.store.base import ReadTx, Tx


def _target(call: Call, request: dict[str, Any], action: str) -> tuple[LayerName, bytes]:
    name = parse_layer(request["LayerName"], call.account, call.region)._replace(version=request["VersionNumber"])
    if name.account != call.account:
        raise access.refused(call.principal, action, name.version_arn)
    return name, Keys(name.account, name.region).layer_policy(name.name, name.version)


async def add_layer_version_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let another account, an organization's accounts, or everybody use a layer version."""
    name, key = _target(call, request, "lambda:AddLayerVersionPermission")
    if request["Action"] != "lambda:GetLayerVersion":
        raise Fault("InvalidParameterValueException", "The only action is lambda:GetLayerVersion.", Type="User")
    added: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": name.version_arn,
    }
    if request.get("OrganizationId"):
        added["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}
    revision = call.platform.ids.uuid()

    def body(tx: Tx) -> None:
        require_layer(tx, name)
        policy = rows.policies.get(tx, key)
        if request.get("RevisionId") is not None:
            state.check_revision(request["RevisionId"], "" if policy is None else policy.revision)
        policy = policy or Policy(revision)
        if added["Sid"] in policy.statements:
            raise conflict(added["Sid"])
        policy.statements[added["Sid"]] = added
        policy.revision = revision
        rows.policies.put(tx, key, checked(policy))

    await call.platform.store.transact(body)
    return {"Statement": orjson.dumps(added).decode(), "RevisionId": revision}


async def remove_layer_version_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One statement less."""
    name, key = _target(call, request, "lambda:RemoveLayerVersionPermission")
    revision, sid = call.platform.ids.uuid(), request["StatementId"]

    def body(tx: Tx) -> None:
        require_layer(tx, name)
        policy = rows.policies.get(tx, key)
        if policy is None or sid not in policy.statements:
            raise Fault("ResourceNotFoundException", f"Statement {sid} is not found in resource policy.", Type="User")
        state.check_revision(request.get("RevisionId"), policy.revision)
        del policy.statements[sid]
        policy.revision = revision
        if policy.statements:
            rows.policies.put(tx, key, policy)
        else:
            tx.delete(key)

    await call.platform.store.transact(body)
    return {}


async def get_layer_version_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The policy of a layer version."""
    name, key = _target(call, request, "lambda:GetLayerVersionPolicy")

    def body(tx: ReadTx) -> Policy:
        require_layer(tx, name)
        policy = rows.policies.get(tx, key)
        if policy is None:
            raise Fault("ResourceNotFoundException", "No policy is associated with the given resource.", Type="User")
        return policy

    policy = await call.platform.store.read(body)
    return {"Policy": document(policy), "RevisionId": policy.revision}
