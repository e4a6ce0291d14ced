"""The judge of ./dev cluster notices what it is there for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cluster import judge
from cluster.client import Cluster
from cluster.report import Event, Series, picture, table


class Rows:
    """A table that holds these items."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def scan(self, **_: Any) -> dict[str, Any]:
        return {"Items": self._rows}


def row(body: str, message: str = "m1") -> dict[str, Any]:
    return {"pk": body, "sk": message, "at": 1_000, "times": 1}


def head(group: str, last: int) -> dict[str, Any]:
    return {"pk": f"head/{group}", "sk": "head", "last": last}


SOUND = [row("orders/0-0/1"), row("orders/0-0/2"), head("0-0", 2), row("events/0/1"), row("events/0/1", "m2")]
SENT = ["orders/0-0/1", "orders/0-0/2", "events/0/1"]
RAN = [(0.0, 1.0), (0.1, 1.1), (0.2, 1.2), (1.0, 2.0)]


def judged(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], ran: list[tuple[float, float]], problem: str = ""
) -> list[str]:
    monkeypatch.setattr(judge, "PATIENCE_S", 0.0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    load: Any = SimpleNamespace(
        fifo=[SimpleNamespace(kept=SENT)],
        standard=[],
        callers=[SimpleNamespace(ran=ran, throttled=0)],
        objects=[],
        problems=[problem] if problem else [],
    )
    return judge.judge(load, Cluster([], ("", "")), Rows(rows), 0.0).wrong


def test_what_is_sound_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, SOUND, RAN) == []


@pytest.mark.parametrize(
    ("rows", "ran", "says"),
    [
        (SOUND[:3], RAN, "1 acknowledged messages are not in the table: events/0/1"),
        ([*SOUND, row("orders/0-0/2", "m9")], RAN, "1 FIFO messages are there twice"),
        ([*SOUND, {"pk": "violation/0-0", "sk": "5-6", "reached": 3}], RAN, "got 5-6 when it was at 3"),
        ([head("0-0", 1), *(one for one in SOUND if "last" not in one)], RAN, "is at 1, but 2 was acknowledged"),
        (SOUND, [*RAN, (0.3, 0.9)], "4 invocations of `held` ran at once"),
        (SOUND, [(0.0, 1.0), (2.0, 3.0)], "only 1 invocations"),
    ],
)
def test_each_broken_promise_is_said(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], ran: list[tuple[float, float]], says: str
) -> None:
    assert any(says in line for line in judged(monkeypatch, rows, ran))


def test_what_a_thread_raised_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, SOUND, RAN, "producer 1: it broke") == ["producer 1: it broke"]


def test_figures_before_during_and_after() -> None:
    strips = {"sent": [10.0] * 10 + [0.0] * 5 + [20.0] * 10, "came": [1.0] * 25, "slowest send, s": [0.1] * 25}
    events = [Event("kill n1", 10.0, 15.0, "answers again")]
    line = table(Series(25, strips), events).splitlines()[2]
    assert line == "| kill n1 | 5.0 s | 10 | 0 | 20 | 1 | 1 | 1 | 0.1 s | answers again |"
    assert picture(Series(25, strips), events).startswith("<svg")
