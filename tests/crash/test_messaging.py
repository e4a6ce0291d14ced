"""Killed under a producer → topic → queue → function → table load: what was acknowledged arrives, groups stay in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.conftest import Server
from tests.crash import messaging
from tests.crash.messaging import GROUPS, Load

KILLS = 6


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Load]]:
    with messaging.killed(tmp_path_factory.mktemp("messaging") / "data", KILLS, seed=20261123) as found:
        yield found


def test_every_acknowledged_publish_ends_in_the_table(survived: tuple[Server, Load]) -> None:
    server, load = survived
    assert not load.problems
    assert len(load.published) > KILLS * 10
    assert not messaging.arrive(server, load)


def test_every_invariant_holds_after_each_kill(survived: tuple[Server, Load]) -> None:
    assert survived[1].broken == []


@pytest.mark.parametrize("group", GROUPS)
def test_groups_stay_in_order_and_a_publish_that_is_repeated_comes_once(
    survived: tuple[Server, Load], group: str
) -> None:
    server, load = survived
    messaging.arrive(server, load)
    assert load.steps[group] > KILLS
    assert messaging.disorder(messaging.steps(server, group)) is None


def test_disorder_is_recognized() -> None:
    assert messaging.disorder([(0, "m0"), (1, "m1"), (0, "m0"), (1, "m1"), (2, "m2")]) is None
    assert messaging.disorder([(0, "m0"), (2, "m2")]) == "step 2 came after 0"
    assert messaging.disorder([(0, "m0"), (0, "other")]) == "step 0 came as two messages"
