"""The judgement of ./dev soak: what grows is named, what moves up and down is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from freehold.kit.tuples import pack
from soak import judging
from soak.judging import Minute
from soak.samples import Rows, Sample, kind_of

HOUR = 3600
LEVELS = {"rss_mb": 120.0, "pss_mb": 100.0, "functions_mb": 300.0, "wal_mb": 16.0, "files": 90, "machine_ms": 2.0}


def samples(seconds: int = HOUR, **series: Callable[[float], float]) -> list[Sample]:
    """One every ten seconds; what is not given stays at its level."""

    def value(name: str, at: float) -> float:
        return series[name](at) if name in series else LEVELS.get(name, 10.0)

    names = [each.name for each in fields(Sample) if each.name != "at_s"]
    made: list[dict[str, Any]] = [
        {"at_s": float(at), **{name: value(name, at) for name in names}} for at in range(10, seconds + 1, 10)
    ]
    return [Sample(**each) for each in made]


def grown(taken: list[Sample]) -> list[str]:
    return [each.title for each in judging.judge_samples(taken) if not each.flat]


def test_what_stays_or_moves_up_and_down_is_flat() -> None:
    assert grown(samples()) == []
    assert grown(samples(rss_mb=lambda at: 120 + 15 * math.sin(at / 90), files=lambda at: 90 + at % 40)) == []
    assert grown(samples(rss_mb=lambda at: 120 - 40 * math.exp(-at / 300))) == []  # it warms up


@pytest.mark.parametrize(
    ("series", "per_hour", "title"),
    [
        ("rss_mb", 30, "resident memory of the server, MB"),
        ("functions_mb", 250, "memory of the functions, MB"),
        ("functions", 30, "processes of functions"),
        ("files", 30, "open files"),
        ("threads", 5, "threads"),
        ("tasks", 40, "tasks of the event loop"),
        ("blobs", 40, "files of blobs"),
        ("other_mb", 20, "unpacked packages and scratch, MB"),
    ],
)
def test_what_grows_steadily_is_named(series: str, per_hour: float, title: str) -> None:
    def value(at: float) -> float:
        return LEVELS.get(series, 10.0) + per_hour * at / HOUR + 4 * math.sin(at / 70)

    assert grown(samples(**{series: value})) == [title]


def test_a_log_that_passes_its_bound_again_and_again_is_named() -> None:
    assert grown(samples(wal_mb=lambda at: 40.0 if at == 1000 else 16.0)) == []
    assert grown(samples(wal_mb=lambda at: 40.0 if at % 500 == 0 else 16.0)) == ["write-ahead log, MB"]


def judge_rows(**kinds: Callable[[float], float]) -> list[judging.Verdict]:
    taken: list[tuple[float, Rows]] = [
        (float(at), {kind: (int(count(at)), 100) for kind, count in kinds.items()}) for at in range(30, HOUR + 1, 30)
    ]
    return judging.judge_rows(taken, samples())


def test_rows_that_the_load_deletes_have_to_go() -> None:
    found = judge_rows(left=lambda at: at / 10, steady=lambda at: 500 + 20 * math.sin(at))
    assert [each.title for each in found if not each.flat] == ["rows left"]


def test_rows_with_a_retention_may_gather_but_no_faster_than_before() -> None:
    assert all(each.flat for each in judge_rows(meter=lambda at: at))
    assert not all(each.flat for each in judge_rows(meter=lambda at: at**3 / 1e6))


def test_a_store_that_does_not_use_its_room_again_is_named() -> None:
    taken: list[tuple[float, Rows]] = [(float(at), {"a": (10, 1_000_000)}) for at in range(30, HOUR + 1, 30)]
    assert slow(judging.judge_room(taken, samples(store_mb=lambda at: 2.1))) == []
    growing = samples(store_mb=lambda at: 2.1 + at / HOUR)
    assert slow(judging.judge_room(taken, growing)) == ["store.db for each byte of rows"]


def test_rows_of_a_window_may_lean_but_not_gather() -> None:
    assert all(each.flat for each in judge_rows(**{"sqs/r": lambda at: 3000 + at % 600 * 5 + at / 6}))
    found = judge_rows(**{"sqs/r": lambda at: at * 2})
    assert [each.title for each in found if not each.flat] == ["rows sqs/r"]


def latencies(**late: float) -> dict[tuple[int, str], Minute]:
    """Of ten operations, 2 ms in all minutes; those given are slower in the last 20."""
    names = [f"s{number}" for number in range(10)]
    return {
        (minute, name): Minute(50, took, took * 3, took * 9)
        for minute in range(60)
        for name in names
        if (took := late.get(name, late.get("all", 2.0)) if minute >= 40 else 2.0)
    }


def slow(found: list[judging.Verdict]) -> list[str]:
    return [each.title for each in found if not each.flat]


def test_an_operation_that_becomes_slower_than_others_is_named() -> None:
    assert slow(judging.judge_latency(latencies(s3=4.0), samples())) == []
    assert slow(judging.judge_latency(latencies(s3=9.0), samples())) == ["s3 p50"]
    assert slow(judging.judge_latency(latencies(s3=90.0), samples())) == ["s3 p50", "s3 p99"]


def test_all_operations_becoming_slower_is_named_unless_the_machine_is() -> None:
    slower = latencies(all=9.0)
    assert slow(judging.judge_latency(slower, samples())) == ["p50 of all operations", "p99 of all operations"]
    busy = samples(machine_ms=lambda at: 2.0 if at < 2400 else 8.0)
    assert slow(judging.judge_latency(slower, busy)) == []


def test_bad_minutes_are_no_drift() -> None:
    bad = {(minute, f"s{number}"): Minute(50, 900.0, 900.0, 900.0) for minute in (45, 50, 55) for number in range(10)}
    assert slow(judging.judge_latency(latencies() | bad, samples())) == []


def test_work_per_call_is_judged() -> None:
    assert slow(judging.judge_work(samples(cpu=lambda at: 0.2, calls=lambda at: 500))) == []
    assert slow(judging.judge_work(samples(cpu=lambda at: 0.2, calls=lambda at: 500 if at % 60 else 100))) == []
    growing = samples(cpu=lambda at: 0.2 * (1 + at / HOUR), calls=lambda at: 500)
    assert slow(judging.judge_work(growing)) == ["processor time of the server per call"]


def test_files_may_grow_with_the_functions_that_hold_them() -> None:
    more = samples(functions=lambda at: 40 + 10 * at / HOUR, files=lambda at: 90 + 30 * at / HOUR)
    assert "open files" not in grown(more)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (pack("ssm", "000000000000", "us-east-1", "p", "a name"), "ssm/p"),
        (pack("iam", "000000000000", "role", "name"), "iam/role"),
        (pack("sqs", None, "g", 70_000) + b"i" + bytes(14), "sqs/queue i"),
        (pack("timer", "due", 1_700_000_000_000, "logs", b"key"), "timer/due/logs"),
        (pack("meter", 20_000, "000000000000", "us-east-1", "calls", b"x", 5), "meter/calls"),
        (b"\xff\x00", ""),
    ],
)
def test_kinds_of_rows(key: bytes, kind: str) -> None:
    assert kind_of(key) == kind
