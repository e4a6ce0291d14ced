"""Who may run how much: the slots of one pool of concurrency, as the nodes of a cluster share them. Pure rules on one row.

A pool is the reserved concurrency of a function, or what is left of the account's for all others. Every node that runs
something holds slots of it, and never runs more than it holds; together they hold no more than there is, except for a
while after there has become less: then nobody begins anything until enough has been given back. A node visits the row
when it runs short and when others do, so that most invocations touch no row at all.

A node that gets less than it needs leaves its `want` and a number, `asked`. Others answer by visiting: they give back what
they do not use, and a node that holds more than its fair share gives back what becomes free. When all have answered and
nothing came, there is nothing.

A pool that begins `gathering` grants nothing until every live node has said what it runs already: a function may have
run on many nodes before its concurrency was reserved.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

LEAST_CHUNK = 8
"""Slots that a node takes in advance, where there are enough."""


class Share(msgspec.Struct, array_like=True):
    """What one node holds, what it lacks, and the last question it has answered."""

    granted: int = 0
    want: int = 0
    answered: int = 0


class Ledger(msgspec.Struct, array_like=True):
    """The row of one pool: shares by node."""

    shares: dict[str, Share] = {}
    asked: int = 0
    gathering: bool = False

    def total(self) -> int:
        return sum(share.granted for share in self.shares.values())

    def held(self, me: str) -> int:
        share = self.shares.get(me)
        return 0 if share is None else share.granted

    def answers(self) -> int:
        """Moves with every question and every answer."""
        return self.asked + sum(share.answered for share in self.shares.values())

    def answered(self, me: str, ask: int) -> bool:
        """Have all others that hold slots answered this question?"""
        return all(share.answered >= ask or not share.granted for node, share in self.shares.items() if node != me)

    def wanted_by_others(self, me: str) -> int:
        return sum(share.want for node, share in self.shares.items() if node != me)

    def owed_to_others(self, capacity: int, me: str) -> int:
        """What others lack of their fair shares; each may have one slot, by turns, where there are more nodes than slots."""
        least = max(1, self.fair(capacity, me))
        others = (share for node, share in self.shares.items() if node != me)
        return sum(max(0, min(share.want, least - share.granted)) for share in others)

    def fair(self, capacity: int, me: str) -> int:
        """What each node that takes part may have at least."""
        taking_part = {node for node, share in self.shares.items() if share.granted or share.want} | {me}
        return capacity // len(taking_part)

    def forget_others(self, live: Collection[str]) -> None:
        """Slots of nodes that are gone are free."""
        for node in [node for node in self.shares if node not in live]:
            del self.shares[node]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a node may keep, from what it has seen of the row. `most` of it may run: the rest goes as soon as it is free."""

    keep: int
    most: int


@dataclass(frozen=True, slots=True)
class Granted:
    """What came of a visit."""

    slots: int
    most: int
    """So many may run now; 0 while more is granted than there is, or the pool still gathers."""
    pressed: bool
    """Others lack slots, or there are too many: what becomes free is asked for."""
    ask: int
    """The number of the question that waits for answers; 0: nothing was asked."""
    settled: bool
    """Everybody has answered it: no more will come."""
    news: bool
    """Others should look."""


def offer(ledger: Ledger, me: str, running: int, capacity: int) -> Offer:
    """How much of its slots `me` keeps, given what others lack."""
    held = max(ledger.held(me), running)
    if ledger.total() > capacity:
        return Offer(running, running)
    lacking = ledger.wanted_by_others(me) - (capacity - ledger.total())
    if lacking <= 0:
        return Offer(held, held)
    keep = held - min(held - running, lacking)
    owed = ledger.owed_to_others(capacity, me) - (capacity - ledger.total()) - (held - keep)
    return Offer(keep, keep - max(0, min(owed, keep - ledger.fair(capacity, me))))


def visit(
    ledger: Ledger, me: str, given: Offer, need: int, ask: int | None, capacity: int, live: Collection[str]
) -> Granted:
    """`me` keeps what it offers to, needs `need` slots more than that, and gets what there is. Changes the ledger. What it
    lacks then is asked for: under a new number with an `ask` of 0, under that number otherwise, and not at all with None."""
    nodes = {*live, me}
    was_open, before = is_open(ledger, capacity), (ledger.total(), ledger.answers())
    ledger.forget_others(nodes)
    mine = ledger.shares.setdefault(me, Share())
    mine.granted = given.keep
    if ledger.gathering and nodes <= ledger.shares.keys():
        ledger.gathering = False
    got = 0 if ledger.gathering else _grant(ledger, me, need, capacity, len(nodes))
    mine.granted += got
    if mine.granted:
        mine.answered = ledger.asked
    lacks = max(0, need - got)
    if ask is None:
        mine.want = lacks and max(mine.want, 1)
    else:
        mine.want = lacks
    if not lacks or ask is None:
        ask = 0
    elif not ask:
        ledger.asked += 1
        ask = mine.answered = ledger.asked
    if mine == Share(answered=mine.answered) and not ledger.gathering:
        del ledger.shares[me]
    over = ledger.total() > capacity
    opened = is_open(ledger, capacity)
    return Granted(
        slots=given.keep + got,
        most=0 if over or ledger.gathering else given.most + got,
        pressed=over or ledger.wanted_by_others(me) > capacity - ledger.total(),
        ask=ask,
        settled=not ledger.gathering and ledger.answered(me, ask),
        news=opened != was_open or (opened and before != (ledger.total(), ledger.answers())),
    )


def _grant(ledger: Ledger, me: str, need: int, capacity: int, nodes: int) -> int:
    """What `me` gets of what is free: up to its fair share all of it, beyond that all but what others lack of
    theirs; a chunk in advance while nobody lacks anything."""
    held, free, others = ledger.held(me), capacity - ledger.total(), ledger.wanted_by_others(me)
    if need <= 0 or free <= 0:
        return 0
    least = max(1, ledger.fair(capacity, me))
    room = max(min(free, least - held), free - ledger.owed_to_others(capacity, me))
    chunk = 0 if others else min(max(LEAST_CHUNK, held), free // nodes)
    return max(0, min(room, max(need, chunk)))


def is_open(ledger: Ledger, capacity: int) -> bool:
    """Is there anything that others should answer?"""
    return ledger.gathering or any(share.want for share in ledger.shares.values()) or ledger.total() > capacity
