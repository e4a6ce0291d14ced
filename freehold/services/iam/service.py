"""AWS IAM and AWS STS: identities, their policies, and credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.kit.ids import BASE32, BASE62
from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.services.iam import attached, check, entities, keys, policies, port, profiles, renaming, state, sts, tags
from freehold.services.iam.model import AccessKey
from freehold.services.iam.model import arn as arn_of
from freehold.services.iam.resources import TYPES

_SUBJECTS = (
    ("RoleName", "role"),
    ("InstanceProfileName", "profile"),
    ("GroupName", "group"),
    ("UserName", "user"),
    ("PolicyName", "policy"),
)


def arn(call: Call) -> str:
    """The identity or policy that a call names, else everything of the account."""
    if "PolicyArn" in call.params and "RoleName" not in call.params and "UserName" not in call.params:
        return str(call.params["PolicyArn"])
    for member, kind in _SUBJECTS:
        if member in call.params:
            return arn_of(call.account, kind, call.params.get("Path", "/"), call.params[member])
    return f"arn:aws:iam::{call.account}:*"


def sts_arn(call: Call) -> str:
    """The role that is assumed; other operations of STS are about nothing."""
    return str(call.params.get("RoleArn", "*"))


def ports(platform: Platform) -> Mapping[str, Any]:
    return {"identity": port.IamIdentity(platform)}


async def start(platform: Platform) -> None:
    """Open the identity port; in guarded mode make the root's access key on the first start, to be shown once."""
    await port.of(platform).open()
    if not platform.settings.guarded:
        return
    account, ids = platform.settings.default_account, platform.ids
    fresh = AccessKey(
        id="AKIA" + ids.letters(16, BASE32),
        secret=ids.secret(40, BASE62 + "/+"),
        account=account,
        user=None,
        user_id=account,
        user_arn=f"arn:aws:iam::{account}:root",
        created=platform.clock.now(),
    )
    made = await platform.store.transact(lambda tx: state.root_key(tx, fresh))
    if made is not None:
        platform.own["iam.new_root"] = (made.id, made.secret)


IAM = Manifest(
    model="iam",
    handlers=(entities, attached, policies, keys, profiles, renaming, tags),
    arn=arn,
    prefix="iam",
    types=TYPES,
    ports=ports,
    start=start,
    check=check.check,
)
STS = Manifest(model="sts", handlers=(sts,), arn=sts_arn, prefix="sts")
MANIFESTS = (IAM, STS)
