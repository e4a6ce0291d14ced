"""How figures are compared, and what percentiles are."""

from __future__ import annotations

import pytest

from bench.percentiles import milliseconds, percentile
from bench.rounds import summary, turns
from bench.rules import ratio


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7
    assert percentile([1.0, 2.0], 0.5) == 1
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_latencies_are_ordered_first() -> None:
    assert milliseconds([0.003, 0.001, 0.002]) == {"p50_ms": 2.0, "p99_ms": 3.0, "max_ms": 3.0}


def test_a_ratio_compares_slices_that_were_side_by_side() -> None:
    # The machine was half as fast in the second round: the ratio is what it was.
    ours, theirs = {"rps": 750.0, "slices": [1000.0, 500.0]}, {"rps": 375.0, "slices": [500.0, 250.0]}
    assert ratio(ours, theirs) == 2.0
    assert ratio({"rps": 1.0, "slices": [9.0, 1.0, 2.0]}, {"rps": 1.0, "slices": [1.0, 1.0, 1.0]}) == 2.0


def test_a_ratio_without_slices_or_figures() -> None:
    assert ratio({"rps": 6.0}, {"rps": 3.0}) == 2.0
    assert ratio({"rps": 6.0}, {"unsupported": "no"}) is None
    assert ratio({}, {"rps": 3.0, "slices": [3.0]}) is None


def test_nobody_always_follows_the_same_one() -> None:
    assert list(turns(3, 3)) == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]


def test_slices_make_a_median_and_every_error_counts() -> None:
    slices = [
        {"rps": 1.0, "errors": 2, "answers": 10, "codes": {"500": 2}, "warm": True, "sample": "oops"},
        {"rps": 100.0, "errors": 0, "answers": 100, "codes": {}, "warm": False, "server_cpu": 0.5},
        {"rps": 300.0, "errors": 1, "answers": 300, "codes": {"check": 1}, "warm": False, "server_cpu": 1.0},
        {"rps": 200.0, "errors": 0, "answers": 200, "codes": {}, "warm": False, "server_cpu": 0.9},
    ]
    found = summary(
        slices, {"latency": {"32": {"p50_ms": 4.0}, "1": {"p50_ms": 1.0}}, "after": {"delivered": "3/3"}}, 32
    )
    assert (found["rps"], found["slices"]) == (200.0, [100.0, 300.0, 200.0])
    assert (found["errors"], found["answers"]) == (3, 610)
    assert found["codes"] == {"500": 2, "check": 1}
    assert (found["p50_ms"], found["delivered"], found["sample"]) == (4.0, "3/3", "oops")
    assert found["server_cpu"] == pytest.approx(0.8)
