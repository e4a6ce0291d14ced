import asyncio
import logging

import pytest

from freehold.work.tasks import Tasks


def test_close_cancels_and_awaits_everything():
    async def main():
        tasks, ended = Tasks(), []

        async def forever(name):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        tasks.spawn("a", forever("a"))
        tasks.loop("b", lambda: forever("b"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await tasks.close()
        assert sorted(ended) == ["a", "b"]
        with pytest.raises(RuntimeError):
            tasks.spawn("late", forever("late"))

    asyncio.run(main())


def test_a_task_that_dies_is_logged_with_its_name_and_trace(caplog):
    async def main():
        tasks = Tasks()

        async def broken():
            raise ValueError("no luck")

        await asyncio.wait([tasks.spawn("frail", broken())])
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "frail" in caplog.text and "no luck" in caplog.text and "Traceback" in caplog.text


def test_a_loop_that_raises_begins_again(monkeypatch):
    monkeypatch.setattr("freehold.work.tasks.RESTART_FIRST_S", 0.0)

    async def main():
        tasks, runs = Tasks(), []

        async def twice_broken():
            runs.append(1)
            if len(runs) < 3:
                raise ValueError

        await tasks.loop("stubborn", twice_broken)
        assert len(runs) == 3

    asyncio.run(main())


def test_without_restart_a_loop_that_raises_has_ended():
    async def main():
        tasks = Tasks()

        async def broken():
            raise ValueError

        with pytest.raises(ValueError):
            await tasks.loop("once", broken, restart=False)

    asyncio.run(main())
