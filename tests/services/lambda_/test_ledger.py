"""The rules of shared pools of concurrency, alone."""

from __future__ import annotations

import random

from freehold.services.lambda_ import ledger
from freehold.services.lambda_.ledger import Ledger, Offer, Share


class Node:
    """A node that follows the rules."""

    def __init__(self, name: str) -> None:
        self.name, self.running, self.most, self.ask = name, 0, 0, 0

    def visit(self, book: Ledger, need: int, capacity: int, live: set[str]) -> ledger.Granted:
        given = ledger.offer(book, self.name, self.running, capacity)
        granted = ledger.visit(
            book, self.name, given, max(0, self.running + need - given.keep), self.ask, capacity, live
        )
        self.most, self.ask = granted.most, granted.ask
        return granted


def test_never_more_runs_than_there_is_whatever_nodes_do() -> None:
    """Nodes come, go, visit, begin and end at random; the capacity changes. Nothing begins beyond it."""
    total = 0
    for seed in range(60):
        chance = random.Random(seed)
        book, capacity = Ledger(), chance.choice((1, 2, 5, 40))
        nodes = {name: Node(name) for name in "abc"}
        for _ in range(400):
            node = nodes[chance.choice(sorted(nodes))]
            match chance.randrange(8):
                case 0 | 1 | 2:
                    node.visit(book, chance.randrange(4), capacity, set(nodes))
                case 3 | 4 | 5:
                    if node.running < node.most:
                        node.running += 1
                        total += 1
                        assert sum(each.running for each in nodes.values()) <= capacity, seed
                case 6:
                    node.running = max(0, node.running - 1)
                case _ if chance.random() < 0.1:
                    capacity = chance.choice((1, 2, 5, 40))
                    for each in nodes.values():  # as engine.set_capacity does
                        each.most = 0
                case _ if chance.random() < 0.1:
                    del nodes[node.name]  # it died, and what it ran with it
                    nodes[node.name + "'"] = Node(node.name + "'")
            held = sum(share.granted for name, share in book.shares.items() if name in nodes)
            assert held >= sum(each.running for each in nodes.values() if each.name in book.shares)
    assert total > 2000, "too little ran: the test shows nothing"


def test_who_lacks_slots_gets_what_others_do_not_use() -> None:
    book, a, b = Ledger(), Node("a"), Node("b")
    live = {"a", "b"}
    a.visit(book, 5, 5, live)
    assert book.held("a") == 5
    asked = b.visit(book, 1, 5, live)
    assert (asked.slots, asked.settled, asked.news) == (0, False, True)
    a.running = 2
    a.visit(book, 0, 5, live)
    assert book.held("a") == 4 and a.most == 4, "one was lacking, one is given back"
    assert b.visit(book, 1, 5, live).slots == 1


def test_who_holds_more_than_a_fair_share_begins_nothing_beyond_it_while_others_lack_slots() -> None:
    book, a, b = Ledger(), Node("a"), Node("b")
    live = {"a", "b"}
    a.visit(book, 5, 5, live)
    a.running = 5
    assert not b.visit(book, 4, 5, live).settled
    a.visit(book, 0, 5, live)
    assert (book.held("a"), a.most) == (5, 3)
    assert b.visit(book, 4, 5, live).settled, "everybody has answered, and there is nothing"
    a.running = 2
    a.visit(book, 0, 5, live)
    assert book.held("a") == 2 and b.visit(book, 4, 5, live).slots == 3


def test_one_slot_goes_from_hand_to_hand() -> None:
    book, a, b = Ledger(), Node("a"), Node("b")
    live = {"a", "b"}
    for _ in range(5):
        for holder, other in ((a, b), (b, a)):
            holder.visit(book, 1, 1, live)
            other.visit(book, 0, 1, live)
            assert holder.visit(book, 1, 1, live).slots == 1


def test_after_a_reduction_nobody_begins_anything_until_enough_was_given_back() -> None:
    book, a, b = Ledger(), Node("a"), Node("b")
    live = {"a", "b"}
    a.visit(book, 6, 10, live)
    a.running = 6
    b.visit(book, 4, 10, live)
    b.running = 1
    assert b.visit(book, 0, 5, live).most == 0 and book.held("b") == 1, "what it does not use is gone"
    a.running = 4
    assert a.visit(book, 0, 5, live).most == 4
    assert b.visit(book, 1, 5, live).slots == 1, "all five run"


def test_slots_of_the_dead_are_free() -> None:
    book, a, b = Ledger(), Node("a"), Node("b")
    a.visit(book, 5, 5, {"a", "b"})
    assert b.visit(book, 1, 5, {"b"}).slots == 5
    assert "a" not in book.shares


def test_a_pool_that_gathers_grants_nothing_before_everybody_has_said_what_it_runs() -> None:
    book = Ledger(gathering=True)
    a, b, c = Node("a"), Node("b"), Node("c")
    live = {"a", "b", "c"}
    b.running = 4
    first = a.visit(book, 1, 5, live)
    assert (first.slots, first.most, first.settled, first.news) == (0, 0, False, True)
    assert b.visit(book, 0, 5, live).most == 0
    assert not a.visit(book, 1, 5, live).settled
    c.visit(book, 0, 5, live)
    assert not book.gathering
    assert a.visit(book, 2, 5, live).slots == 1, "four run elsewhere"


def test_a_visit_that_changes_nothing_leaves_the_ledger_as_it_was() -> None:
    book = Ledger({"a": Share(3, 0, 1)}, 1)
    before = repr(book)
    granted = ledger.visit(book, "a", Offer(3, 3), 0, None, 5, {"a", "b"})
    assert (repr(book), granted.news) == (before, False)
    assert not ledger.visit(book, "b", Offer(0, 0), 0, None, 5, {"a", "b"}).news
    assert repr(book) == before
