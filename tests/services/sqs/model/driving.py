"""One seed: which operations are done, in which order, and what is said where the service and the model differ."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.services.sqs.model import control, handles, moving, receiving, sending
from tests.services.sqs.model.pair import Pair
from tests.services.sqs.support import Sqs

Operation = Callable[[Pair], Awaitable[None]]


def operations(pair: Pair) -> list[Operation]:
    """Each as often as it is likely."""
    return [
        *[sending.send] * 6,
        *[sending.send_batch] * 2,
        *[receiving.receive] * 8,
        *[handles.delete] * 4,
        *[handles.change] * 3,
        *[control.advance] * 5,
        control.configure,
        control.purge,
        *[moving.move] * (2 if pair.redrive else 0),
        *[receiving.attempt] * (3 if pair.fifo else 0),
    ]


async def _drive(seed: int, steps: int) -> Pair:
    sqs = Sqs(seed)
    await sqs.start()
    pair = Pair(seed, sqs)
    try:
        await pair.set_up()
        likely = operations(pair)
        for _ in range(steps):
            operation = pair.random.choice(likely)
            pair.log.append(f"{pair.now} {operation.__name__}")
            await operation(pair)
            await pair.check()
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}\n" + "\n".join(pair.log)) from error
    finally:
        await sqs.close()
    return pair


def drive(seed: int, steps: int = 60) -> None:
    """Raise AssertionError, with the operations that lead there, where the service and the model differ."""
    asyncio.run(_drive(seed, steps))
