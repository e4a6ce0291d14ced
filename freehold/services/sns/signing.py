"""The installation's key and certificate, and signatures of messages.

Source: SNS Developer Guide, "Verifying the signatures of Amazon SNS messages": the string to sign has name and value of
each field on a line of its own; version 1 is SHA1withRSA, version 2 SHA256withRSA, both PKCS #1 v1.5, so the same text
always has the same signature.

("sns", "signing")      private key (PEM), certificate (PEM)
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from freehold.kit.http import Response
from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.manifest import HostRequest
    from freehold.ports.platform import Platform

DOOR = "sns-certificates"
KEY = pack("sns", "signing")
_OWN = "sns.signer"
_BITS = 2048
_YEARS = 20


class _Row(msgspec.Struct, array_like=True):
    key: bytes
    certificate: bytes


decode = msgspec.msgpack.Decoder(_Row).decode


class Signer:
    """Signs with the installation's key. `name` is the certificate's file name in SigningCertURL."""

    def __init__(self, row: _Row) -> None:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        key = serialization.load_pem_private_key(row.key, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key: rsa.RSAPrivateKey = key
        self._padding = padding.PKCS1v15()
        # SHA-1 is what SignatureVersion 1 is by AWS's definition.
        self._hashes: dict[str, Any] = {"1": hashes.SHA1(), "2": hashes.SHA256()}
        self.certificate = row.certificate
        self.name = f"SimpleNotificationService-{hashlib.sha256(row.certificate).hexdigest()[:32]}.pem"

    def sign(self, text: str, version: str) -> str:
        """The signature of a string to sign, base64. Costs about 0.4 ms and lets other threads run."""
        return base64.b64encode(self._key.sign(text.encode(), self._padding, self._hashes[version])).decode()


def load(tx: ReadTx, platform: Platform) -> Signer | None:
    """The installation's signer; None before the first subscription, which makes the key (`ensure`)."""
    signer: Signer | None = platform.own.get(_OWN)
    if signer is None:
        raw = tx.get(KEY)
        if raw is not None:
            signer = platform.own[_OWN] = Signer(decode(raw))
    return signer


async def ensure(platform: Platform) -> Signer:
    """The installation's signer, made if there is none. Making one takes a tenth of a second, in a thread."""
    signer = await platform.store.read(lambda tx: load(tx, platform))
    if signer is not None:
        return signer
    fresh = await asyncio.to_thread(_make, platform.clock.wall(), int.from_bytes(platform.ids.bytes(16), "big") >> 1)

    def body(tx: Tx) -> None:
        if tx.get(KEY) is None:
            tx.put(KEY, msgspec.msgpack.encode(fresh))

    await platform.store.transact(body)
    signer = await platform.store.read(lambda tx: load(tx, platform))
    assert signer is not None
    return signer


def _make(wall: float, serial: int) -> _Row:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, _BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begin = datetime.fromtimestamp(wall, UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial or 1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _Row(private, certificate.public_bytes(serialization.Encoding.PEM))


async def serve(platform: Platform, asked: HostRequest) -> Response | None:
    """The certificate at SigningCertURL."""
    signer = await platform.store.read(lambda tx: load(tx, platform))
    if signer is None or asked.id != signer.name:
        return None
    return Response(200, [("content-type", "application/x-pem-file")], signer.certificate)


def to_sign_notification(message_id: str, subject: str | None, message: str, timestamp: str, topic_arn: str) -> str:
    """The string to sign of a notification."""
    middle = "" if subject is None else f"Subject\n{subject}\n"
    return (
        f"Message\n{message}\nMessageId\n{message_id}\n{middle}"
        f"Timestamp\n{timestamp}\nTopicArn\n{topic_arn}\nType\nNotification\n"
    )


def to_sign_confirmation(
    kind: str, message_id: str, message: str, timestamp: str, topic_arn: str, token: str, url: str
) -> str:
    """The string to sign of a SubscriptionConfirmation or UnsubscribeConfirmation."""
    return (
        f"Message\n{message}\nMessageId\n{message_id}\nSubscribeURL\n{url}\nTimestamp\n{timestamp}\nToken\n{token}\n"
        f"TopicArn\n{topic_arn}\nType\n{kind}\n"
    )
