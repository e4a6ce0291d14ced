"""Text messages: attributes of the account; messages stay in the mailbox.

("sns", account, region, "sms")    the account's attributes
"""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit.faults import not_implemented
from freehold.kit.tuples import pack
from freehold.ports.call import Call
from freehold.services.sns import mailbox
from freehold.services.sns.endpoints import PHONE
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import invalid
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
_TYPES = ("Promotional", "Transactional")


def _key(account: str, region: str) -> bytes:
    return pack("sns", account, region, "sms")


def account_attributes(tx: ReadTx, account: str, region: str) -> dict[str, str]:
    raw = tx.get(_key(account, region))
    return {} if raw is None else msgspec.msgpack.decode(raw, type=dict[str, str])


def keep(
    tx: Tx,
    account: str,
    region: str,
    number: str,
    draft: Draft,
    message_id: str,
    now_ms: int,
    common: dict[str, str] | None = None,
) -> None:
    """A text message into the mailbox."""
    known = account_attributes(tx, account, region)
    own = {name: value.get("StringValue") for name, value in draft.attributes.items()}
    mailbox.put(
        tx,
        account,
        region,
        "sms",
        now_ms,
        to=number,
        body=draft.text("sms"),
        messageId=message_id,
        sender=own.get("AWS.SNS.SMS.SenderID") or known.get("DefaultSenderID"),
        smsType=own.get("AWS.SNS.SMS.SMSType") or known.get("DefaultSMSType", "Promotional"),
        **(common or {}),
    )


async def set_sms_attributes(call: Call, request: Request) -> Request:
    asked: dict[str, str] = request["attributes"]
    for name, value in asked.items():
        if name == "DefaultSMSType":
            if value not in _TYPES:
                raise invalid("DefaultSMSType")
        elif name == "DefaultSenderID":
            if value and not (value.isalnum() and len(value) <= 11 and not value.isdigit()):
                raise invalid("DefaultSenderID")
        elif name in (
            "MonthlySpendLimit",
            "DeliveryStatusIAMRole",
            "DeliveryStatusSuccessSamplingRate",
            "UsageReportS3Bucket",
        ):
            raise not_implemented(f"the SMS attribute {name} (no text message leaves this machine)")
        else:
            raise invalid(f"{name} is not a valid attribute")

    def body(tx: Tx) -> None:
        known = {**account_attributes(tx, call.account, call.region), **asked}
        tx.put(_key(call.account, call.region), msgspec.msgpack.encode(known))

    await call.platform.store.transact(body)
    return {}


async def get_sms_attributes(call: Call, request: Request) -> Request:
    known = await call.platform.store.read(lambda tx: account_attributes(tx, call.account, call.region))
    wanted = request.get("attributes")
    return {"attributes": {name: value for name, value in known.items() if not wanted or name in wanted}}


def _number(text: str) -> str:
    if not PHONE.fullmatch(text):
        raise invalid(f"PhoneNumber Reason: {text} is not valid")
    return text


async def check_if_phone_number_is_opted_out(call: Call, request: Request) -> Request:
    _number(request["phoneNumber"])
    return {"isOptedOut": False}  # nobody gets a text message here, so nobody can answer STOP


async def opt_in_phone_number(call: Call, request: Request) -> Request:
    _number(request["phoneNumber"])
    return {}


async def list_phone_numbers_opted_out(call: Call, request: Request) -> Request:
    if request.get("nextToken"):
        raise invalid("NextToken Reason: no list has a second page")
    return {"phoneNumbers": []}
