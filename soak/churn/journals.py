"""Log groups that come and go, and events whose retention ends during the run."""

from __future__ import annotations

import random
import time

from soak.churn.base import Churn

DAY_MS = 86_400_000


class Groups(Churn):
    """A group with a retention of a day, and events almost a day old: they are due to go within a minute."""

    name = "logs-churn"

    def setup(self) -> None:
        super().setup()
        logs, group = self.cloud.client("logs"), f"{self.prefix()}-stays"
        logs.create_log_group(logGroupName=group)
        logs.put_retention_policy(logGroupName=group, retentionInDays=1)

    def make(self, name: str, rng: random.Random) -> None:
        logs, now = self.cloud.client("logs"), int(time.time() * 1000)
        logs.create_log_group(logGroupName=name)
        for group, first in ((name, now - 1_000), (f"{self.prefix()}-stays", now - DAY_MS + 60_000)):
            logs.create_log_stream(logGroupName=group, logStreamName=name)
            lines = [{"timestamp": first + at, "message": f"{name} {at} " + "x" * 100} for at in range(20)]
            logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=lines)
        logs.filter_log_events(logGroupName=name, filterPattern="x")
        logs.get_log_events(logGroupName=name, logStreamName=name)

    def drop(self, name: str) -> None:
        logs = self.cloud.client("logs")
        logs.delete_log_group(logGroupName=name)
        logs.delete_log_stream(logGroupName=f"{self.prefix()}-stays", logStreamName=name)
