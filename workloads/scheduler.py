"""Schedules: those that run once, in a few seconds, reach a queue; others come, change and go."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from workloads import making
from workloads.arriving import EVENT, Delivering, InQueue
from workloads.ledger import Ledger

SCHEDULE = "schedule "


class Schedules(Delivering):
    """A schedule that has run removes itself. The others run in the year 2099; their value is in their description."""

    name = "scheduler"
    repeats = True

    def setup(self) -> None:
        queue = self.prefix()
        arn = making.queue(self.cloud, queue)
        self._target = {"Arn": arn, "RoleArn": making.role(self.cloud, queue, "scheduler.amazonaws.com")}
        self.cloud.client("scheduler").create_schedule_group(Name=queue)
        self.arrivals = InQueue(self.cloud, queue, repeats=True)

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.3:
            self.take()
        elif choice < 0.6:
            self._manage(rng)
        else:
            self.deliver(1)

    def send(self, names: list[str]) -> None:
        for name in names:
            due = datetime.now(UTC) + timedelta(seconds=4)  # a time that has passed when it arrives never comes
            self.cloud.client("scheduler").create_schedule(
                Name=name.replace(" ", "-"),
                ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={**self._target, "Input": name},
                ActionAfterCompletion="DELETE",
                GroupName=self.prefix(),
            )

    def _manage(self, rng: random.Random) -> None:
        scheduler, number = self.cloud.client("scheduler"), self.next()
        name = f"{SCHEDULE}{number % 20}"
        where = {"Name": name.replace(" ", "-"), "GroupName": self.prefix()}
        there = name in self.ledger.present(SCHEDULE)
        if there and rng.random() < 0.3:
            with self.ledger.write(name, None):
                scheduler.delete_schedule(**where)
            return
        write = scheduler.update_schedule if there else scheduler.create_schedule
        with self.ledger.write(name, number):
            write(
                **where,
                ScheduleExpression="at(2099-01-01T00:00:00)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={**self._target, "Input": "never"},
                Description=str(number),
            )

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        scheduler, found, wrong = self.cloud.client("scheduler"), {}, self.arrived(ledger, patience)
        for each in scheduler.pages("list_schedules", "Schedules", GroupName=self.prefix()):
            name = each["Name"].replace("-", " ")
            if not name.startswith(EVENT):
                full = scheduler.get_schedule(Name=each["Name"], GroupName=self.prefix())
                found[name] = int(full["Description"])
        return wrong + ledger.compare(found, SCHEDULE)
