"""What an account owns in Lambda beyond the rows under its name. Packages are shared: they count who uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from freehold.kit.tuples import pack
from freehold.ports.belongings import Belonging, Belongings, Below, Shared, below, spaces_of
from freehold.services.lambda_ import rows
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.rows import SERVICE, Keys
from freehold.work.blobs import Blob
from freehold.work.checking import Snapshot


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    uses: Counter[str] = Counter()
    for space in spaces_of(snapshot, SERVICE, account):
        for _, value in snapshot.rows(*Keys(*space).all_versions()):
            version = rows.versions.load(value)
            uses.update((version.package, *(layer.package for layer in version.layers)))
        for _, value in snapshot.rows(*Keys(*space).all_layer_versions()):
            uses[rows.layer_versions.load(value).package] += 1
        for _, value in snapshot.below(SERVICE, *space, "u"):
            yield Below(rows.url_owner_key(rows.urls.load(value).id))
    for sha256, count in uses.items():
        package = rows.packages.get(snapshot.tx, rows.package_key(sha256))
        if package is not None:
            package.uses = count
            yield Shared(rows.package_key(sha256), msgspec.msgpack.encode(package))
    yield below(SERVICE, "event-payload", account)
    yield below(SERVICE, "mapped", account)
    for prefix in _begins(snapshot, account):
        yield Below(prefix)


def _begins(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    for shard in range(events.SHARDS):
        yield pack(SERVICE, "event", shard, account)
    yield pack(SERVICE, "mapping", account)


class _Packages:
    """Packages are shared by their SHA-256."""

    def merge(self, old: bytes, new: bytes) -> tuple[bytes, Blob]:
        package, more = rows.packages.load(old), rows.packages.load(new)
        package.uses += more.uses
        return msgspec.msgpack.encode(package), more.blob

    def blob(self, value: bytes) -> Blob:
        return rows.packages.load(value).blob

    def with_blob(self, value: bytes, blob: Blob) -> bytes:
        package = rows.packages.load(value)
        package.blob = blob
        return msgspec.msgpack.encode(package)


def _passing(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    """Slots are held by nodes that run."""
    yield pack(SERVICE, "slots-listed", account)
    for space in spaces_of(snapshot, SERVICE, account):
        yield pack(SERVICE, *space, "s")


BELONGINGS = Belongings(
    _rows,
    effects={events.KIND: lambda payload: events.load(payload).account},
    begins=_begins,
    sharing=_Packages(),
    passing=_passing,
)
