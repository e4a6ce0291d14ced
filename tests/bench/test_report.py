"""Tables: what is met, what falls short, and what has no figure."""

from __future__ import annotations

from typing import Any

from bench import plot
from bench.report import alone, operations, page
from bench.report.table import Line, Table, falls_short, trouble
from bench.rules import SHARES
from bench.scenarios.context import Row

Figures = dict[tuple[str, str, int], dict[str, Any]]


def rate(rps: float, **more: Any) -> dict[str, Any]:
    return {"rps": rps, "slices": [rps], "errors": 0, "answers": 10_000, "p50_ms": 1.0, "p99_ms": 2.0, **more}


def figures(ours: dict[str, Any], theirs: dict[str, Any], other: dict[str, Any] | None = None) -> Figures:
    return {
        ("freehold", "sqs_send", 32): ours,
        ("ministack", "sqs_send", 32): theirs,
        ("moto", "sqs_send", 32): other or rate(10),
    }


def test_a_target_that_is_met() -> None:
    (line,) = operations.throughput(figures(rate(5000), rate(1000))).lines
    assert line.verdict == "yes"
    assert line.cells[1:4] == ("5,000", "1,000", "5.00\N{MULTIPLICATION SIGN}")


def test_a_target_that_is_missed_falls_short() -> None:
    table = operations.throughput(figures(rate(2000), rate(1000)))
    assert table.lines[0].verdict == "**no**"
    assert falls_short([table]) == [
        "- Requests/s, 32 connections: SQS SendMessage: 2.00\N{MULTIPLICATION SIGN} ministack, "
        "wanted ≥ 2.5\N{MULTIPLICATION SIGN}"
    ]


def test_one_error_misses_the_target() -> None:
    assert operations.throughput(figures(rate(5000, errors=1), rate(1000))).lines[0].met is False


def test_a_peer_that_cannot_is_named() -> None:
    table = operations.throughput(figures(rate(5000), rate(1000), {"unsupported": "needs Docker"}))
    assert "not there" in table.lines[0].cells
    assert table.notes[-1] == "- moto, SQS SendMessage: not there: `needs Docker`"


def test_what_is_wrong_is_no_figure() -> None:
    assert trouble(rate(100)) == ""
    assert trouble({}) == "not measured"
    assert trouble({"unsupported": "no"}) == "not there"
    assert trouble(rate(100, errors=11)) == "wrong answers"
    assert trouble(rate(100, errors=10)) == ""
    assert trouble(rate(100, delivered="9/10")) == "not delivered"
    assert trouble(rate(100, delivered="10/10")) == ""
    assert trouble({"rps": 5.0, "errors": 1}) == "wrong answers"


def test_our_own_wrong_answers_fall_short() -> None:
    table = operations.throughput(figures(rate(9000, delivered="1/2"), rate(1000)))
    assert table.lines[0].met is False
    assert "not delivered" in falls_short([table])[0]


def test_shares_of_limits() -> None:
    limit, wanted, judged = SHARES["sqs_send"]
    given: Figures = {
        ("freehold", "sqs_send", 32): rate(900),
        ("guarded", "sqs_send", 32): rate(600, cpu_us=150.4),
        (limit, "sqs_send", 32): rate(1000, cpu_us=100.0),
    }
    guarded, open_ = operations.shares(given).lines
    assert (wanted, judged) == (0.7, "guarded")
    assert (guarded.met, guarded.cells[5], guarded.verdict, guarded.cells[7:]) == (
        False,
        "60%",
        "**no**",
        ("150 µs", "100 µs"),
    )
    assert (open_.cells[5], open_.verdict) == ("90%", "")  # a limit that verifies is no measure of who does not
    given[limit, "sqs_send", 32] = rate(800)
    assert operations.shares(given).lines[0].met is True


def test_a_cost_that_grows() -> None:
    given: Figures = {
        ("freehold", "eb_10rules", 32): rate(3000),
        ("freehold", "eb_10000rules", 32): rate(1000),
        ("freehold", "esm_sqs", 32): {"p50_ms": 4.0, "p99_ms": 31.0, "errors": 0, "n": 30},
    }
    met = {line.cells[0]: line.met for line in alone.messaging(given).lines}
    assert met == {
        "PutEvents, 10,000 rules against 10": False,
        "queue → function start, p50": True,
        "queue → function start, p99": False,
    }


def test_what_was_not_measured_is_not_said_to_be_met() -> None:
    given: Figures = {("freehold", "eb_10rules", 32): rate(3000)}
    assert [line.verdict for line in alone.messaging(given).lines] == ["not measured"]


def test_a_scenario_and_the_page() -> None:
    rows = [Row("failed calls of 500", "1", "0", False), Row("one deployment", "0.2 s")]
    table = alone.scenario("Deploy rate", rows)
    text = page.markdown(["Today."], [table, Table("Empty", ("",), [])], "RESULTS.svg")
    assert "| failed calls of 500 | 1 | 0 | **no** |" in text
    assert "| one deployment | 0.2 s |  |  |" in text
    assert "- Deploy rate: failed calls of 500: 1, wanted 0" in text
    assert "(RESULTS.svg)" in text and "Empty" not in text
    assert "Nothing: every target" in page.markdown([], [Table("T", ("",), [Line(("a",))])], None)


def test_the_picture_shows_what_has_a_figure() -> None:
    limit, _, judged = SHARES["sqs_send"]
    given = {
        **figures(rate(5000), rate(1000), {"unsupported": "no"}),
        (judged, "sqs_send", 32): rate(5000),
        (limit, "sqs_send", 32): rate(6250),
        ("freehold", "ddb_put", 32): rate(10, errors=100),
    }
    found = {"burst": {"Invoke": {"series": [(0.0, 3.0)]}}, "memory": {"could not be measured": "it"}}
    data = plot.data(given, found)
    assert data["operations"] == [
        {
            "name": "SQS SendMessage",
            "wanted": 2.5,
            "rates": {"freehold": 5000, "ministack": 1000, "moto": None},
            "times": 5.0,
        }
    ]
    assert data["shares"] == [{"name": "SQS SendMessage", "share": 0.8, "wanted": 0.7}]
    assert data["burst"] == {"Invoke": [(0.0, 3.0)]}
    assert data["memory"] == {}
    assert plot.data(given, {"burst": {"could not be measured": "it"}})["burst"] == {}
