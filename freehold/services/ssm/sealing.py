"""SecureString values are sealed with AES-256-GCM under a key of the account and region, bound to the parameter's ARN."""

from __future__ import annotations

import base64

from freehold.ports.call import Call
from freehold.services.ssm import state
from freehold.services.ssm.model import arn_of
from freehold.services.ssm.state import Space

_NONCE = 12


async def _key(call: Call, space: Space) -> bytes:
    cache: dict[Space, bytes] = call.platform.own.setdefault("ssm.keys", {})
    key = cache.get(space)
    if key is None:
        fresh = call.platform.ids.bytes(32)
        key = cache[space] = await call.platform.store.transact(lambda tx: state.sealing_key(tx, space, fresh))
    return key


async def seal(call: Call, name: str, plain: str) -> str:
    """The ciphertext that is stored, base64."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = await _key(call, Space(call.account, call.region))
    nonce = call.platform.ids.bytes(_NONCE)
    bound = arn_of(call.account, call.region, name).encode()
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain.encode(), bound)).decode()


async def unseal(call: Call, name: str, sealed: str) -> str:
    """The value that was sealed."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = await _key(call, Space(call.account, call.region))
    raw = base64.b64decode(sealed)
    bound = arn_of(call.account, call.region, name).encode()
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], bound).decode()
