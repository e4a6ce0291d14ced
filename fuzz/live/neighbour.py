"""A plain function beside a hostile one: it must keep its pace."""

from __future__ import annotations

import statistics
import threading
import time

from fuzz.live.sending import PATIENCE_S, Clients

NEIGHBOUR_S = 5.0
"""How late a neighbour's function may answer, in the middle, while a hostile one runs."""


class Neighbour(threading.Thread):
    """Invokes a plain function while a hostile one garbles its own Runtime API: the first must keep its pace."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(daemon=True)
        self._client, self._ended = clients.of("lambda"), threading.Event()
        self._waits: list[float] = []

    def run(self) -> None:
        while not self._ended.wait(1.0):
            try:
                self._client.invoke(FunctionName="hostile", InvocationType="Event", Payload=b"{}")
                begun = time.monotonic()
                answer = self._client.invoke(FunctionName="fuzz:fuzz", Payload=b'{"a": 1}')
                answer["Payload"].read()
            except Exception:  # noqa: BLE001 random requests delete, throttle and break the function
                continue
            self._waits.append(time.monotonic() - begun)

    @property
    def late(self) -> list[str]:
        """What is wrong with how long the neighbour waited."""
        middle = statistics.median(self._waits) if self._waits else 0.0
        return [f"the neighbour of a hostile function waited {middle:.1f} s"] if middle > NEIGHBOUR_S else []

    def stop(self) -> None:
        self._ended.set()
        self.join(PATIENCE_S)
