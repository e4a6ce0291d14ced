"""Dead letters go back to where they came from."""

from __future__ import annotations

from freehold.kit.ids import derived
from freehold.services.sqs import moving
from freehold.services.sqs.model import Place
from tests.services.sqs.model.pair import Pair
from tests.services.sqs.model.queue import Message
from tests.services.sqs.support import ACCOUNT, REGION, arn


async def move(pair: Pair) -> None:
    """Dead letters go back to where they came from, as new messages."""
    pair.dead.expire(pair.now)
    back = [m for line in pair.dead.ready(pair.now) for m in line]
    await pair.sqs("StartMessageMoveTask", SourceArn=arn(pair.dead.name))
    await pair.sqs.timers.settle()
    (task,) = (await pair.sqs("ListMessageMoveTasks", SourceArn=arn(pair.dead.name)))["Results"]
    # The number to move counts what waits behind a group's message in flight, too.
    assert task["Status"] == "COMPLETED" and task["ApproximateNumberOfMessagesMoved"] == len(back), task
    pair.ever(pair.dead)
    known = {m.id for m in pair.queue.messages}
    pair.dead.messages = [m for m in pair.dead.messages if not any(m is other for other in back)]
    pair.say(f"{[m.body for m in back]}")
    await _adopt(pair, back, known)


async def _adopt(pair: Pair, back: list[Message], known: set[str]) -> None:
    """Take them over into the model, under the ids that the task gives them."""
    task = await _latest_task(pair)
    for message in back:
        pair.order += 1
        new_id = derived(task, message.id)
        assert new_id not in known
        pair.queue.messages.append(
            Message(
                new_id,
                message.body,
                pair.now,
                pair.order,
                pair.now + 1000 * pair.queue.delay,
                message.group,
                sender_dedup=message.sender_dedup,
            )
        )


async def _latest_task(pair: Pair) -> str:
    place = Place(ACCOUNT, REGION, pair.dead.name)
    found = await pair.sqs.store.read(lambda tx: moving.tasks(tx, place))
    return found[0].id
