"""A manual clock over the wire: hours of retries in seconds."""

import io
import json
import urllib.request
import zipfile

import pytest

from freehold.node import clock
from tests.aws.manual_clock import manual

__all__ = ["manual"]

FAILS = b"""def handler(event, context):
    raise ValueError("no")
"""


def now(server):
    return json.load(urllib.request.urlopen(f"{server.url}/_freehold/clock"))["now_ms"]


def runs(server, name):
    """How often the function ran, by its log."""
    logs = server.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    if not groups:
        return 0
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="REPORT")["events"]
    return len(events)


def test_time_stands_until_it_is_advanced(manual):
    before = now(manual)
    assert now(manual) == before
    assert clock.command(manual.url, "advance", "1h30m").endswith("(manual clock)")
    assert now(manual) == before + 5_400_000


def test_a_failing_event_is_retried_after_one_and_two_minutes_of_service_time(manual):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", FAILS)
    functions = manual.client("lambda")
    functions.create_function(
        FunctionName="fails",
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": package.getvalue()},
    )
    functions.invoke(FunctionName="fails", InvocationType="Event", Payload=b"{}")
    clock.command(manual.url, "advance", "30s")  # the first run has ended when this returns
    counted = [runs(manual, "fails")]
    for _ in range(3):
        clock.command(manual.url, "advance", "1m")
        counted.append(runs(manual, "fails"))
    assert counted == [1, 2, 2, 3]


def test_a_clock_that_runs_by_itself_cannot_be_moved(server):
    with pytest.raises(clock.ClockError, match="--clock manual"):
        clock.command(server.url, "advance", "1m")


@pytest.mark.parametrize("duration", ["", "5", "m", "1w", "1h 5m"])
def test_what_is_no_duration_is_said(server, duration):
    with pytest.raises(clock.ClockError, match="is no duration"):
        clock.command(server.url, "advance", duration)
