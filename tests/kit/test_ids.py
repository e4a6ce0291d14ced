"""Ids: reproducible with a seed, of the right form always."""

from __future__ import annotations

import asyncio
import uuid

from freehold.kit.ids import Ids, SeededIds


def test_a_seed_reproduces_every_id() -> None:
    def draw(ids: Ids) -> list[object]:
        return [ids.uuid(), ids.hex(8), ids.letters(5), ids.secret(5), ids.bytes(4), ids.uniform()]

    assert draw(Ids(7)) == draw(Ids(7)) != draw(Ids(8))


def test_what_background_tasks_draw_does_not_change_what_callers_draw() -> None:
    async def drawn(ids: Ids, beside: int) -> tuple[list[str], list[str]]:
        async def background() -> list[str]:
            return [ids.uuid() for _ in range(beside)]

        first = ids.uuid()
        other = await asyncio.create_task(background(), name="timer: sqs")
        return [first, ids.uuid(), ids.secret(8), ids.of("room").uuid()], other

    callers, tasks = asyncio.run(drawn(SeededIds(7), 3))
    again, more = asyncio.run(drawn(SeededIds(7), 5))
    assert callers == again and tasks == more[:3]
    assert len({*callers, *more}) == 9
    assert asyncio.run(drawn(SeededIds(8), 3))[0] != callers


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
