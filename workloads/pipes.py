"""A pipe from queue to queue, which drops what its filter does not want; and pipes that stand still come and go."""

from __future__ import annotations

import json
import random

from workloads import making
from workloads.arriving import Delivering, InQueue
from workloads.ledger import Ledger

PIPE = "pipe "


class Pipes(Delivering):
    """What a pipe moves arrives at least once. The value of other pipes is in their description; they are stopped."""

    name = "pipes"
    repeats = True

    def setup(self) -> None:
        self._source = f"{self.prefix()}-source"
        self._arns = making.queue(self.cloud, self._source), making.queue(self.cloud, self.prefix())
        self._role = making.role(self.cloud, self.prefix(), "pipes.amazonaws.com")
        pattern = json.dumps({"body": [{"prefix": "event "}]})
        self._create(
            self.prefix(),
            "RUNNING",
            SourceParameters={"FilterCriteria": {"Filters": [{"Pattern": pattern}]}},
            TargetParameters={"InputTemplate": '{"name": <$.body>}'},
        )
        while self.cloud.client("pipes").describe_pipe(Name=self.prefix())["CurrentState"] != "RUNNING":
            pass
        self.arrivals = InQueue(self.cloud, self.prefix(), lambda body: str(json.loads(body)["name"]), repeats=True)

    def _create(self, name: str, state: str, **more: object) -> None:
        source, target = self._arns
        self.cloud.client("pipes").create_pipe(
            Name=name, Source=source, Target=target, RoleArn=self._role, DesiredState=state, **more
        )

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.3:
            self.take()
        elif choice < 0.4:
            self._manage()
        else:
            self.deliver(rng.choice((1, 3)))

    def send(self, names: list[str]) -> None:
        bodies = [*names, "unwanted"]
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
        url = self.cloud.queue_url(self._source)
        answer = self.cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(answer["Failed"])

    def _manage(self) -> None:
        known = self.ledger.present(PIPE)
        if len(known) >= 5:
            if self._state(known[0]) == "STOPPED":
                with self.ledger.write(known[0], None):
                    self.cloud.client("pipes").delete_pipe(Name=self._pipe(known[0]))
            return
        number = self.next()
        with self.ledger.write(f"{PIPE}{number}", number):
            self._create(self._pipe(f"{PIPE}{number}"), "STOPPED", Description=str(number))

    def _pipe(self, name: str) -> str:
        return f"{self.prefix()}-pipe-{name.removeprefix(PIPE)}"

    def _state(self, name: str) -> str:
        return str(self.cloud.client("pipes").describe_pipe(Name=self._pipe(name))["CurrentState"])

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        client, begin, found = self.cloud.client("pipes"), self._pipe(PIPE), {}
        for pipe in client.pages("list_pipes", "Pipes", NamePrefix=begin):
            full = client.describe_pipe(Name=pipe["Name"])
            if full["CurrentState"] != "DELETING":
                found[PIPE + pipe["Name"].removeprefix(begin)] = int(full["Description"])
        return ledger.compare(found, PIPE) + self.arrived(ledger, patience)
