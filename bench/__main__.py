"""`./dev bench`: Freehold, its peers and this machine's limits in turn, in this run; writes bench/RESULTS.md and a plot."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import competition, environments, machine, plot, startup
from bench.limits.servers import LIMITS
from bench.report import alone, page
from bench.report import operations as tables
from bench.report.table import Table
from bench.rounds import LOAD_TOOL, Pace
from bench.rules import RATIOS, SHARES
from bench.scenarios import burst, deploys, idle, memory, scale
from bench.scenarios.context import Context, Row
from bench.servers import HERE, freehold, ministack, moto

SCENARIOS = {"burst": burst, "deploys": deploys, "idle": idle, "memory": memory}
PARTS = ("start", "cold", "operations", "messaging", "limits", *SCENARIOS, "scale")
DEFAULT = Pace(rounds=3, many_s=0.7, one_s=0.35)
QUICK = Pace(rounds=2, many_s=0.3, one_s=0.2, warm_s=0.2, functions_warm_s=3.0, latencies=False)
BROKEN = "could not be measured"
"""Stands in the place of the figures of a part that failed."""
Found = dict[str, Any]


def arguments() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of nine, without what takes long")
    parser.add_argument(
        "--only",
        default="",
        help=f"comma separated; prints, and writes nothing. Parts: {', '.join(PARTS)}. Operations: {', '.join(RATIOS)}",
    )
    parser.add_argument("--no-peers", action="store_true", help="Freehold and the limits alone, while working on them")
    parser.add_argument("--load-tool", type=Path, default=LOAD_TOOL, help="load.py")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md", help="the page; the plot lies beside it")
    given = parser.parse_args()
    if not given.load_tool.exists():
        sys.exit(f"bench: there is no {given.load_tool}; say where load.py is with --load-tool")
    unknown = set(filter(None, given.only.split(","))) - {*PARTS, *RATIOS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return given


class Run:
    """What is measured in this run, and what was found."""

    def __init__(self, given: argparse.Namespace) -> None:
        only = list(filter(None, given.only.split(",")))
        self.parts = [part for part in PARTS if part in only or not only]
        self.operations = [name for name in RATIOS if name in only or "operations" in self.parts]
        self.quick: bool = given.quick
        self.tool: Path = given.load_tool
        self.peers = () if given.no_peers else competition.PEERS
        self.pace = QUICK if given.quick else DEFAULT
        self.figures: competition.Figures = {}
        self.found: Found = {}

    def part(self, name: str, measure: Callable[[], Any]) -> None:
        """Measure one part if it is wanted. A part that fails is reported as such, and the others go on."""
        if name not in self.parts:
            return
        began = time.monotonic()
        try:
            self.found[name] = measure()
        except Exception as problem:  # noqa: BLE001 one part must not take the others with it
            traceback.print_exc()
            self.found[name] = {BROKEN: f"{type(problem).__name__}: {problem}"[:300]}
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)

    def all(self) -> None:
        """Scaling to zero takes five minutes of idling, during which the others are measured."""
        if "scale" not in self.parts:
            self.others()
            return
        try:
            with scale.Scale(Context(self.tool, self.quick or self.parts == ["scale"])) as scaling:
                self.others()
                self.part("scale", scaling.finish)
        except Exception as problem:  # noqa: BLE001 as above
            traceback.print_exc()
            self.found["scale"] = {BROKEN: f"{type(problem).__name__}: {problem}"[:300]}

    def others(self) -> None:
        """Everything else."""
        self.part("start", self.starts)
        if self.operations or {"cold", "messaging", "limits"} & set(self.parts):
            self.compete()
        context = Context(self.tool, self.quick)
        for name, module in SCENARIOS.items():
            self.part(name, lambda module=module: module.run(context))  # type: ignore[misc]

    def starts(self) -> Found:
        """Starts of each server on fresh directories."""
        runs = 1 if self.quick else 3
        found = {"freehold": startup.measure(lambda where: freehold(where / "data"), runs)}
        for name, make in (("ministack", ministack), ("moto", moto)):
            if name in self.peers:
                found[name] = startup.measure(lambda _, make=make: make(), runs)  # type: ignore[misc]
        return found

    def compete(self) -> None:
        """What needs several servers that stay."""
        hot = {SHARES[name][0] for name in self.operations if name in SHARES}
        names = [
            "freehold",
            *(["guarded"] if hot - {"invoke"} else []),
            *(self.peers if self.operations else self.peers[:1] if "cold" in self.parts else ()),
        ]
        names += sorted({each.server for each in LIMITS if each.name in hot})
        names += ["reply", "redis"] if "limits" in self.parts else []
        with competition.field(self.tool, names) as running:
            self.part("cold", lambda: competition.colds(running, 4 if self.quick else 12))
            for name in self.operations:
                self.figures |= competition.operation(running, name, self.pace)
                print(competition.line(self.figures, name), flush=True)
            self.part("limits", lambda: self.figures.update(competition.limits(running, self.pace)))
            self.part("messaging", lambda: self.messaging(running))

    def messaging(self, running: competition.Field) -> None:
        """What Freehold is compared with itself at."""
        for name in competition.MESSAGING:
            if not self.quick or name not in competition.LONG:
                self.figures |= competition.alone(running, name, self.pace)
                print(competition.line(self.figures, name), flush=True)

    def document(self) -> str:
        """Everything that was measured, as JSON."""
        figures = {" ".join(map(str, key)): found for key, found in self.figures.items()}
        return json.dumps({"figures": figures, "found": self.found}, indent=1)

    def tables(self) -> list[Table]:
        """Of everything that was measured."""
        failures = [
            Row(name, found[BROKEN], "to be measured", False)
            for name, found in self.found.items()
            if name in PARTS and isinstance(found, dict) and BROKEN in found
        ]
        titles = {each.name: (each.title, _beside(each.name)) for each in LIMITS}
        made = [
            alone.scenario("Parts that failed", failures),
            tables.throughput(self.figures),
            tables.shares(self.figures),
            tables.limits(self.figures, titles),
            tables.latency(self.figures),
            alone.messaging(self.figures),
            alone.first_invokes(self.found.get("cold", {})),
            alone.starts(self.found.get("start", {})),
        ]
        for name, module in {**SCENARIOS, "scale": scale}.items():
            if name in self.found and BROKEN not in self.found[name]:
                made.append(alone.scenario(module.TITLE, module.rows(self.found[name])))
        return [*made, tables.everything(self.figures)]


def _beside(limit: str) -> str:
    """The operation in whose rounds a limit was measured."""
    return next((operation for operation, (name, *_) in SHARES.items() if name == limit), "limits")


def head(run: Run, began: float, before: float) -> list[str]:
    """Where, when, how."""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))
    command = "./dev bench --quick" if run.quick else "./dev bench"
    pace, minutes = run.pace, (time.time() - began) / 60
    return [
        f"Written by `{command}` on {when}, in {minutes:.0f} minutes, on {machine.description()}.",
        f"{before:.0%} of the processors were busy before it began. {machine.versions()}.",
        "",
        f"Each figure is the median of {pace.rounds} slices ({pace.many_s:g} s with 32 connections, {pace.one_s:g} s with",
        "one), taken of each server in turn after one that is not counted; latencies are those of all slices; ratios and",
        "shares compare slices that were taken side by side. Every answer is checked. Freehold is as by default: every",
        "write durable before it is acknowledged, functions sandboxed. The peers keep everything in memory, and ministack",
        "runs functions unsandboxed. The load generator shares the processors with the server it measures. The notes at the",
        "end are kept in `bench/NOTES.md`.",
    ]


def main() -> None:
    """Measure, and write what was found."""
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))  # servers are stopped on the way
    run, began, before = Run(given), time.time(), machine.busy()
    run.all()
    kept = HERE / "out"
    kept.mkdir(exist_ok=True)
    (kept / "found.json").write_text(run.document())
    made = run.tables()
    if given.only:
        print(page.text(made))
        return
    data = plot.data(run.figures, run.found)
    (kept / "plot.json").write_text(json.dumps(data))
    picture = given.output.with_suffix(".svg")
    plot.draw(environments.environment("plot"), kept / "plot.json", picture)
    given.output.write_text(page.markdown(head(run, began, before), made, picture.name))
    print(f"wrote {given.output} and {picture}")


if __name__ == "__main__":
    main()
