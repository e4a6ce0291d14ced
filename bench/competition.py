"""Operations on Freehold, its peers and the bare servers, in one run and in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import cold
from bench.limits import appends, redis
from bench.limits.servers import LIMITS
from bench.limits.servers import make as limit
from bench.rounds import Entrant, Loader, Pace, compete, summary
from bench.rules import LATENCIES, RATIOS, SHARES
from bench.servers import Server, freehold, guarded, ministack, moto, scratch

CONNECTIONS = (32, 1)
PEERS = ("ministack", "moto")
FUNCTIONS = ("lambda_warm", "httpapi_get")
MESSAGING = ("esm_sqs", "esm_backlog", "eb_10rules", "eb_10000rules", "sqs_receive_10", "sqs_receive_1m")
"""Compared with themselves: Freehold only."""
LONG = ("eb_10000rules", "sqs_receive_1m")
"""Their preparation takes most of a minute each."""
Figures = dict[tuple[str, str, int], dict[str, Any]]
"""(server or limit, operation, connections) -> figures."""
OF = {each.name: each for each in LIMITS}


@dataclass
class Field:
    """The servers that run, and what loads them. Bare servers are there by the name of their limit's server; `guarded` is
    a Freehold that verifies signatures."""

    servers: dict[str, Server]
    loaders: dict[str, Loader]
    directory: Path

    def entrants(self, operation: str) -> list[tuple[str, Entrant]]:
        """Everybody who takes part in an operation, named as figures name them."""
        names = [*PEERS, "freehold", *(["guarded"] if operation in SHARES else [])]
        made = [(name, Entrant(self.loaders[name], operation)) for name in names if name in self.loaders]
        if operation in SHARES:
            bare = OF[SHARES[operation][0]]
            if bare.operation is not None and bare.server in self.loaders:
                made.append((bare.name, Entrant(self.loaders[bare.server], bare.operation)))
        return made


@contextlib.contextmanager
def field(tool: Path, names: Sequence[str]) -> Iterator[Field]:
    """Start the servers of these names, each with its loader; what is not installed is left out."""
    with scratch() as directory, contextlib.ExitStack() as stack:
        where = Path(directory)
        servers: dict[str, Server] = {}
        loaders: dict[str, Loader] = {}
        for name in names:
            server = _make(name, where)
            if server is None:
                continue
            server.start(where)
            stack.callback(server.stop)
            servers[name] = server
            if name != "redis":
                loaders[name] = Loader(tool, server)
                stack.callback(loaders[name].close)
        yield Field(servers, loaders, where)


def _make(name: str, where: Path) -> Server | None:
    if name == "freehold":
        return freehold(where / "data")
    if name == "guarded":
        return guarded(where / "guarded")
    if name in PEERS:
        return {"ministack": ministack, "moto": moto}[name]()
    return limit(name, where / name)


def operation(running: Field, name: str, pace: Pace) -> Figures:
    """One operation on everybody."""
    entrants = running.entrants(name)
    warm = pace.functions_warm_s if name in FUNCTIONS else pace.warm_s
    connections = CONNECTIONS if pace.latencies or name in LATENCIES or name in SHARES else CONNECTIONS[:1]
    compete([each for _, each in entrants], connections, pace, warm)
    return {
        (who, name, connected): found
        for who, each in entrants
        for connected, found in each.figures().items()
    }  # fmt: skip


def alone(running: Field, name: str, pace: Pace) -> Figures:
    """One operation of MESSAGING on Freehold."""
    entrant = Entrant(running.loaders["freehold"], name)
    compete([entrant], (32,), pace, pace.warm_s)
    found = entrant.figures()
    return {("freehold", name, 32): found.get(32) or next(iter(found.values()))}


def limits(running: Field, pace: Pace) -> Figures:
    """The limits that no operation is measured beside: appends, Redis and a bare reply, in turn."""
    figures: Figures = {}
    reply = Entrant(running.loaders["reply"], "limit_reply")
    reply.prepare()
    redis_port = running.servers["redis"].port if "redis" in running.servers else None
    for connections in CONNECTIONS:
        seconds = pace.seconds(connections)
        found: dict[str, list[dict[str, Any]]] = {"appends": [], "redis": []}
        for _ in range(pace.rounds):
            found["appends"].append(appends.measure(running.directory, connections, seconds))
            if redis_port is not None:
                found["redis"].append(redis.measure(redis_port, connections, seconds))
            reply.run(connections, seconds)
        for name, slices in found.items():
            key = (name, "limits", connections)
            figures[key] = _together(slices) if slices else {"unsupported": "not installed"}
    for connections, reached in reply.figures().items():
        figures["reply", "limits", connections] = reached
    return figures


def _together(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Slices that were not taken by a worker, as if they were."""
    documents = [{**each, "warm": False, "codes": {}, "answers": 0} for each in slices]
    middle = sorted(slices, key=lambda each: each["rps"])[len(slices) // 2]
    return summary(documents, {}, 0) | {"p50_ms": middle["p50_ms"], "p99_ms": middle["p99_ms"]}


def colds(running: Field, count: int) -> dict[str, dict[str, float]]:
    """First invokes: milliseconds p50 by server and kind."""
    found: dict[str, dict[str, float]] = {"freehold": {}, "ministack": {}}
    for name in found:
        if name in running.servers:
            cold.p50(running.servers[name].url, cold.PLAIN, 1)
            found[name]["plain"] = cold.p50(running.servers[name].url, cold.PLAIN, count)
    found["freehold"]["boto3"] = cold.p50(running.servers["freehold"].url, cold.WITH_BOTO3, count)
    return found


def line(figures: Figures, name: str) -> str:
    """For the terminal, while it runs."""
    words = [f"{RATIOS[name][0] if name in RATIOS else name:34s}"]
    for (who, found_name, connections), found in figures.items():
        if found_name == name and connections == 32:
            rps = f"{found['rps']:,.0f}/s" if found.get("rps") else found.get("unsupported", "no rate")[:40]
            words.append(f"{who} {rps}")
    return "  ".join(words)
