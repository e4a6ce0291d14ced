"""The file sealed with a passphrase: AES-256-GCM piece by piece, under a key that scrypt makes of it.

A line that says so, with salt and costs; then pieces: their length (4 bytes, big-endian) and their sealed bytes. The nonce
counts the pieces and says which is the last, so that none can be left out, moved or cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from freehold.kit.ids import Ids
from freehold.ports.accounts import AccountError

MAGIC = b"freehold sealed account "
_PIECE = 1 << 20
_MOST = _PIECE + 16
_COST = {"n": 1 << 15, "r": 8, "p": 1}
"""32 MiB and about a tenth of a second for every guess."""
_WRONG = "The passphrase is wrong, or the file was changed after it was sealed."


def _key(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, **_COST).derive(passphrase))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def seal(pieces: Iterable[bytes], passphrase: bytes) -> Iterator[bytes]:
    """The file around `pieces`."""
    salt = Ids().bytes(16)
    key = _key(passphrase, salt)
    yield MAGIC + json.dumps({"format": 1, "salt": salt.hex()}).encode() + b"\n"
    held, number = bytearray(), 0
    for piece in pieces:
        held += piece
        while len(held) > _PIECE:
            yield _sealed(key, bytes(held[:_PIECE]), number, last=False)
            del held[:_PIECE]
            number += 1
    yield _sealed(key, bytes(held), number, last=True)


def _sealed(key: AESGCM, piece: bytes, number: int, *, last: bool) -> bytes:
    raw = key.encrypt(_nonce(number, last=last), piece, None)
    return len(raw).to_bytes(4, "big") + raw


def unseal(file: IO[bytes], passphrase: bytes) -> Iterator[bytes]:
    """The pieces in a file behind its first line. Raises AccountError."""
    line = file.readline(4_096)
    try:
        salt = bytes.fromhex(json.loads(line[len(MAGIC) :])["salt"])
    except (ValueError, KeyError, TypeError):
        raise AccountError("The first line of the file cannot be read.") from None
    key, number, ahead = _key(passphrase, salt), 0, file.read(4)
    while ahead:
        size = int.from_bytes(ahead, "big")
        raw = file.read(size) if size <= _MOST else b""
        ahead = file.read(4)
        try:
            yield key.decrypt(_nonce(number, last=not ahead), raw, None)
        except InvalidTag:
            raise AccountError(_WRONG) from None
        number += 1
    if not number:
        raise AccountError(_WRONG)
