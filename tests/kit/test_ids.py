"""Ids: reproducible with a seed, of the right form always."""

from __future__ import annotations

import uuid

from freehold.kit.ids import Ids


def test_a_seed_reproduces_every_id() -> None:
    def draw(ids: Ids) -> list[object]:
        return [ids.uuid(), ids.hex(8), ids.letters(5), ids.secret(5), ids.bytes(4), ids.uniform()]

    assert draw(Ids(7)) == draw(Ids(7)) != draw(Ids(8))


def test_uuids_are_of_version_4() -> None:
    ids = Ids()
    drawn = {ids.uuid() for _ in range(1_000)}
    assert len(drawn) == 1_000
    for text in drawn:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)


def test_lengths_are_as_asked() -> None:
    ids = Ids()
    assert len(ids.hex(32)) == 32
    assert len(ids.secret(40)) == 40
    assert ids.bytes(0) == b""
