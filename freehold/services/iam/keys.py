"""Access keys of users and of the account's root."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.ids import BASE32, BASE62
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.iam import state
from freehold.services.iam.model import MAX_KEYS_PER_USER, AccessKey, User
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]


def _user_name(call: Call, request: Request) -> str:
    """The user named, or the one who calls."""
    name = request.get("UserName")
    if name is None:
        if ":user/" not in call.principal.arn:
            raise Fault("ValidationError", "Must specify userName when calling with non-User credentials")
        name = call.principal.arn.rpartition("/")[2]
    return str(name)


async def create_access_key(call: Call, request: Request) -> Request:
    name = _user_name(call, request)
    ids, now = call.platform.ids, call.platform.clock.now()
    key_id, secret = "AKIA" + ids.letters(16, BASE32), ids.secret(40, BASE62 + "/+")

    def body(tx: Tx) -> Request:
        user = state.require(tx, User, call.account, name)
        if len(user.keys) >= MAX_KEYS_PER_USER:
            raise Fault("LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS_PER_USER}")
        record = AccessKey(
            id=key_id,
            secret=secret,
            account=call.account,
            user=user.name,
            user_id=user.id,
            user_arn=user.arn,
            created=now,
        )
        user.keys.append(key_id)
        state.save(tx, call.account, user)
        state.save_key(tx, record)
        return {"AccessKey": _metadata(record) | {"SecretAccessKey": record.secret}}

    return await once.transact(call, body)


def _metadata(record: AccessKey) -> Request:
    return {
        "UserName": record.user,
        "AccessKeyId": record.id,
        "Status": "Active" if record.active else "Inactive",
        "CreateDate": record.created,
    }


async def list_access_keys(call: Call, request: Request) -> Request:
    name = _user_name(call, request)

    def body(tx: ReadTx) -> list[AccessKey]:
        user = state.require(tx, User, call.account, name)
        return [state.key(tx, key_id, user.name) for key_id in user.keys]

    records = await call.platform.store.read(body)
    return {"AccessKeyMetadata": [_metadata(record) for record in records], "IsTruncated": False}


async def update_access_key(call: Call, request: Request) -> Request:
    name = _user_name(call, request)

    def body(tx: Tx) -> None:
        user = state.require(tx, User, call.account, name)
        record = state.key(tx, request["AccessKeyId"], user.name)
        record.active = request["Status"] == "Active"
        state.save_key(tx, record)

    await call.platform.store.transact(body)
    return {}


async def delete_access_key(call: Call, request: Request) -> Request:
    name = _user_name(call, request)

    def body(tx: Tx) -> None:
        user = state.require(tx, User, call.account, name)
        state.key(tx, request["AccessKeyId"], user.name)
        user.keys.remove(request["AccessKeyId"])
        state.save(tx, call.account, user)
        state.remove_key(tx, request["AccessKeyId"])

    await call.platform.store.transact(body)
    return {}
