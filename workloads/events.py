"""Events: a rule sends what matches to a queue; rules and their targets come and go."""

from __future__ import annotations

import json
import random

from workloads import making
from workloads.arriving import Delivering, InQueue
from workloads.ledger import Ledger

RULE = "rule "


class Events(Delivering):
    """Half of the rules' names are in use at a time. A rule's value is the number in its description."""

    name = "events"
    repeats = True

    def setup(self) -> None:
        events, queue = self.cloud.client("events"), self.prefix()
        self._queue = making.queue(self.cloud, queue)
        events.put_rule(Name=queue, EventPattern=json.dumps({"source": [queue], "detail-type": ["wanted"]}))
        events.put_targets(Rule=queue, Targets=[{"Id": "queue", "Arn": self._queue, "InputPath": "$.detail.name"}])
        self.arrivals = InQueue(self.cloud, queue, json.loads, repeats=True)

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.2:
            self.take()
        elif choice < 0.35:
            self._manage()
        else:
            self.deliver(rng.choice((1, 5)))

    def send(self, names: list[str]) -> None:
        source = {"Source": self.prefix()}
        wanted = [{**source, "DetailType": "wanted", "Detail": json.dumps({"name": name})} for name in names]
        other = {**source, "DetailType": "other", "Detail": json.dumps({"name": "nobody wants it"})}
        answer = self.cloud.client("events").put_events(Entries=[*wanted, other])
        if answer["FailedEntryCount"]:
            raise RuntimeError(answer["Entries"])

    def _manage(self) -> None:
        events, number = self.cloud.client("events"), self.next()
        name = f"{RULE}{number % 20}"
        rule = self._rule(name)
        target = f"target of {name}"
        if name in self.ledger.present(RULE):
            with self.ledger.write(target, None):
                events.remove_targets(Rule=rule, Ids=["queue"])
            with self.ledger.write(name, None):
                events.delete_rule(Name=rule)
        else:
            pattern = json.dumps({"source": [f"nobody {number}"]})
            with self.ledger.write(name, number):
                events.put_rule(Name=rule, EventPattern=pattern, Description=str(number))
            with self.ledger.write(target, number):
                one = {"Id": "queue", "Arn": self._queue, "Input": json.dumps(number)}
                events.put_targets(Rule=rule, Targets=[one])

    def _rule(self, name: str) -> str:
        return f"{self.prefix()}-rule-{name.removeprefix(RULE)}"

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        events, begin = self.cloud.client("events"), self._rule(RULE)
        rules = {}
        targets = {}
        for rule in events.pages("list_rules", "Rules", NamePrefix=begin):
            name = RULE + rule["Name"].removeprefix(begin)
            rules[name] = int(rule["Description"])
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                targets[f"target of {name}"] = int(target["Input"])
        wrong = ledger.compare(rules, RULE) + ledger.compare(targets, "target of ")
        return wrong + self.arrived(ledger, patience)
