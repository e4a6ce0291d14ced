"""Where the blobs of a server lie: what the setting `blobs` says, with credentials found as AWS's SDKs find them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from freehold.kit.clock import Clock, SystemClock
from freehold.kit.ids import Ids
from freehold.node.config import ConfigError
from freehold.work.blobs import Backend
from freehold.work.blobs.files import Files
from freehold.work.blobs.place import Bucket, Directory, parse
from freehold.work.blobs.s3 import Keys

RENEW_S = 60.0
"""Seconds for which credentials are used without asking where they come from: some of them end."""


def backend_of(text: str, clock: Clock, ids: Ids) -> tuple[Backend | None, int]:
    """The backend that the setting names (None: files in the data directory) and for how many seconds it keeps what is
    released. Raises ConfigError."""
    if not text:
        return None, 0
    try:
        place = parse(text)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None
    if isinstance(place, Directory):
        return Files(Path(place.path).absolute(), durable=True), place.keep_s
    return _objects(place, clock, ids), place.keep_s


def files_of(text: str) -> Path | None:
    """The directory that the setting names; None: there is no such setting. Raises ConfigError: they are objects."""
    if not text:
        return None
    try:
        place = parse(text)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None
    if isinstance(place, Bucket):
        raise ConfigError(f"The blobs are objects of {place}, which a snapshot does not copy: see docs/operations.md.")
    return place.path.absolute()


async def list_place(text: str, note: Callable[[str, int, float], None]) -> None:
    """Tell `note` the name, size and age (wall seconds when written) of everything in the place.

    Raises ConfigError, BlobError."""
    backend, _ = backend_of(text, SystemClock(), Ids())
    assert backend is not None
    try:
        await backend.prepare()
        async for page in backend.sizes():
            for name, size, written in page:
                note(name, size, written)
    finally:
        await backend.close()


def _objects(bucket: Bucket, clock: Clock, ids: Ids) -> Backend:
    from freehold.work.blobs.objects import Objects
    from freehold.work.blobs.s3 import S3

    return Objects(bucket, S3(bucket, _Credentials(bucket.profile, clock).keys, clock, ids))


class _Credentials:
    """The chain of AWS's SDKs: variables, the profile's files, container and instance roles. Never logged."""

    def __init__(self, profile: str, clock: Clock) -> None:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        self._clock = clock
        try:
            found = Session(profile=profile or None).get_credentials()
        except BotoCoreError as problem:
            raise ConfigError(f"The credentials of the blobs cannot be read: {problem}") from None
        if found is None:
            raise ConfigError(
                "Blobs in S3 need credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile "
                "(s3://bucket/prefix?profile=name)."
            )
        self._found, self._until = found, 0.0

    async def keys(self, expired: bool) -> Keys:
        """What to sign with."""
        if expired or self._clock.monotonic() >= self._until:
            # Roles are asked for over the network, by a library that blocks.
            frozen = await asyncio.to_thread(self._found.get_frozen_credentials)
            self._keys = Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)
            self._until = self._clock.monotonic() + RENEW_S
        return self._keys
