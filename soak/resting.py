"""`python -m soak.resting DIR`: what a soaked directory has left when everything is deleted and every retention is over.

The server is started again on the directory with a manual clock; all resources are deleted, and time is moved on by more
than any retention. What remains then was forgotten: exit code 1. Last, `freehold check` looks at the directory.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from freehold.node import checks
from soak.emptying import empty
from soak.samples import Observer, Rows
from soak.server import Server
from workloads.cloud import Cloud

ACCOUNT = "200000000000"
DAYS = (1, 15, 80)
"""Days to move on, one after the other: together more than the 90 of deleted stacks."""

STAYS = {
    "lambda/code-key": "the key that signs the addresses of packages",
    "ssm/key": "the key of secure strings",
    "sns/signing": "the certificate that signs messages",
    "node/service_time": "what time it is",
    "meter/calls": "what this command itself asked",
    "lease": "who does what, while the server runs",
    "iam/sessions": "the key of session tokens",
    "node/format": "the format of the data",
    "lambda/n": "the last number of a layer's versions, which is never given again",
    "events/bus": "the default bus",
    "events/change": "the last changes of the default bus",
    "scheduler/g": "the default group",
    "scheduler/gone": "client tokens of the last hours' deletions, until the next deletion",
}
"""Rows of an installation that nobody uses. Kinds begin with one of these."""


def rest(data: Path) -> tuple[Rows, Rows, list[str]]:
    """The rows before and after, and what is wrong."""
    with Server(data, manual_clock=True) as server:
        cloud = Cloud(server.url, ACCOUNT)
        observer = Observer(server.process.pid, server.url, data)
        before = observer.rows()
        wrong = empty(cloud)
        for days in DAYS:
            began = time.monotonic()
            server.clock.advance(f"{days}d")
            print(f"{days} days went by in {time.monotonic() - began:.1f} s", flush=True)
            cloud.client("sqs").list_queues()  # meters and traces sweep when there is something to write
            time.sleep(3)
    with Server(data, manual_clock=True) as server:  # what sweeps now and then, in real time, sweeps when it starts
        Cloud(server.url, ACCOUNT).client("sqs").list_queues()
        time.sleep(5)
        after = Observer(server.process.pid, server.url, data).rows()
        blobs = [path for path in (data / "blobs").rglob("*") if path.is_file()]
    wrong += [f"{len(blobs)} files of blobs are left, for example {blobs[0]}"] if blobs else []
    left = {kind: found for kind, found in after.items() if not any(kind.startswith(each) for each in STAYS)}
    return before, after, wrong + [f"{count} rows of {kind} are left" for kind, (count, _) in left.items()]


def main() -> None:
    """Let it rest, and say what is left."""
    parser = argparse.ArgumentParser(prog="python -m soak.resting", description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    before, after, wrong = rest(data)
    for kind in sorted({*before, *after}):
        print(f"{kind:40} {before.get(kind, (0, 0))[0]:8} {after.get(kind, (0, 0))[0]:8}")
    print("nothing is left" if not wrong else "LEFT:\n" + "\n".join(wrong))
    broken = checks.command(data)
    sys.exit(bool(wrong) or broken)


if __name__ == "__main__":
    main()
