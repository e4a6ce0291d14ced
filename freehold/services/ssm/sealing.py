"""SecureString values are sealed under a key of the account and region, bound to the parameter's ARN."""

from __future__ import annotations

import base64

from freehold.ports.call import Call
from freehold.services.ssm import state
from freehold.services.ssm.model import arn_of
from freehold.work.sealing import Sealer


def _sealer(call: Call) -> Sealer:
    found = call.platform.own.get("ssm.sealer")
    if found is None:
        found = call.platform.own["ssm.sealer"] = Sealer(call.platform.store, call.platform.ids, state.sealing_row)
    assert isinstance(found, Sealer)
    return found


async def seal(call: Call, name: str, plain: str) -> str:
    """The ciphertext that is stored, base64."""
    bound = arn_of(call.account, call.region, name)
    return base64.b64encode(await _sealer(call).seal(call.account, call.region, bound, plain.encode())).decode()


async def unseal(call: Call, name: str, sealed: str) -> str:
    """The value that was sealed."""
    bound = arn_of(call.account, call.region, name)
    return (await _sealer(call).open(call.account, call.region, bound, base64.b64decode(sealed))).decode()
