"""Functions: invoked and awaited, invoked as events, fed by a queue; their aliases come, change and go."""

from __future__ import annotations

import json
import random

from workloads import making
from workloads.arriving import Delivering, InTable
from workloads.cloud import Unclear, read
from workloads.ledger import Ledger

ALIAS = "alias "


class Functions(Delivering):
    """A function writes the name that it is given to a table; what was answered is there, what was accepted comes."""

    name = "lambda"
    repeats = True

    def setup(self) -> None:
        making.table(self.cloud, self.prefix())
        making.function(self.cloud, self.prefix(), self.prefix())
        self.arrivals = InTable(self.cloud, self.prefix())

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.2:
            self.take()
        elif choice < 0.3:
            self._manage(rng)
        else:
            self._kind = rng.choice(("Event", "RequestResponse"))
            self.deliver(1)

    def send(self, names: list[str]) -> None:
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.prefix(), InvocationType=self._kind, Payload=json.dumps({"name": names[0]})
        )
        payload = read(answer["Payload"])
        if "FunctionError" in answer:
            if b"imed out" in payload or b"Sandbox.Timedout" in payload:
                raise Unclear(payload.decode())
            raise RuntimeError(payload)

    def _manage(self, rng: random.Random) -> None:
        client, number = self.cloud.client("lambda"), self.next()
        name = f"{ALIAS}{number % 10}"
        alias = {"FunctionName": self.prefix(), "Name": name.replace(" ", "-")}
        there = name in self.ledger.present(ALIAS)
        if there and rng.random() < 0.3:
            with self.ledger.write(name, None):
                client.delete_alias(**alias)
            return
        write = client.update_alias if there else client.create_alias
        with self.ledger.write(name, number):
            write(**alias, FunctionVersion="$LATEST", Description=str(number))

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        aliases = self.cloud.client("lambda").pages("list_aliases", "Aliases", FunctionName=self.prefix())
        found = {each["Name"].replace("-", " "): int(each["Description"]) for each in aliases}
        return ledger.compare(found, ALIAS) + self.arrived(ledger, patience)


class Mappings(Delivering):
    """A queue feeds a function, which writes to a table."""

    name = "lambda-mapping"
    repeats = True

    def setup(self) -> None:
        making.table(self.cloud, self.prefix())
        making.function(self.cloud, self.prefix(), self.prefix())
        queue = making.queue(self.cloud, self.prefix(), seconds=20)
        made = self.cloud.client("lambda").create_event_source_mapping(
            FunctionName=self.prefix(), EventSourceArn=queue, BatchSize=10
        )
        self._uuid = made["UUID"]
        self.arrivals = InTable(self.cloud, self.prefix())

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.2:
            self.take()
        elif choice < 0.22:
            size = 1 + self.next() % 10
            with self.ledger.write("size", size):
                self.cloud.client("lambda").update_event_source_mapping(UUID=self._uuid, BatchSize=size)
        else:
            self.deliver(rng.choice((1, 5)))

    def send(self, names: list[str]) -> None:
        entries = [{"Id": str(at), "MessageBody": name} for at, name in enumerate(names)]
        url = self.cloud.queue_url(self.prefix())
        answer = self.cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(answer["Failed"])

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        mapping = self.cloud.client("lambda").get_event_source_mapping(UUID=self._uuid)
        wrong = []
        if ledger.possible("size") != [None] or mapping["BatchSize"] != 10:
            wrong = ledger.compare({"size": mapping["BatchSize"]}, "size")
        return wrong + self.arrived(ledger, patience)
