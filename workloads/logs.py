"""Log events in streams; streams fill, and the oldest is deleted with all it holds."""

from __future__ import annotations

import random
import time

from workloads.base import Workload
from workloads.ledger import Ledger

LINES = 60
"""Of a stream; then comes the next."""


class Logs(Workload):
    """A line's value is its stream."""

    name = "logs"

    def setup(self) -> None:
        self._group = f"/load/{self.prefix()}"
        self.cloud.client("logs").create_log_group(logGroupName=self._group)

    def step(self, rng: random.Random) -> None:
        client, streams = self.cloud.client("logs"), self.ledger.present("stream ")
        if len(streams) > 3:
            lines = [name for name in self.ledger.present("line ") if self.ledger.get(name) == streams[0]]
            with self.ledger.write_many(dict.fromkeys([streams[0], *lines])):
                client.delete_log_stream(logGroupName=self._group, logStreamName=_stream(streams[0]))
            return
        full = (
            not streams or len([n for n in self.ledger.present("line ") if self.ledger.get(n) == streams[-1]]) > LINES
        )
        if full:
            stream = f"stream {self.next()}"
            with self.ledger.write(stream, "there"):
                client.create_log_stream(logGroupName=self._group, logStreamName=_stream(stream))
            return
        lines = [f"line {self.next()}" for _ in range(rng.choice((1, 10)))]
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
        with self.ledger.write_many(dict.fromkeys(lines, streams[-1])):
            client.put_log_events(logGroupName=self._group, logStreamName=_stream(streams[-1]), logEvents=events)

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        client, where = self.cloud.client("logs"), {"logGroupName": self._group}
        streams = [each["logStreamName"] for each in client.pages("describe_log_streams", "logStreams", **where)]
        lines: dict[str, str] = {}
        for event in client.pages("filter_log_events", "events", **where):
            lines[event["message"]] = _name(event["logStreamName"])
        found = {**dict.fromkeys(map(_name, streams), "there"), **lines}
        return ledger.compare(found)


def _stream(name: str) -> str:
    return name.replace(" ", "-")


def _name(stream: str) -> str:
    return stream.replace("-", " ")
