"""`./dev crash`: kill the server under a mixed load, or cut its power; exit code 1 where something acknowledged is lost."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.mixed import Killing
from tests.crash.power.cutting import Cutting
from tests.crash.power.disk import build_shim

SEED = 20261123


def kill(where: Path, kills: int, seed: int, only: list[str] | None, store: str) -> list[str]:
    """Kill and judge; what is wrong."""
    began = time.monotonic()
    killing = Killing(where / "data", seed, only, store=store)
    load = killing.run(kills, lambda line: print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True))
    facts = load.facts()
    print("\n".join(f"{count:9d} facts of {name}" for name, count in sorted(facts.items())))
    starts = sorted(killing.starts_s)
    print(
        f"{killing.kills} kills and {killing.stillborn} more while it started, {facts.total()} facts acknowledged, "
        f"{load.unknown()} unknown, {load.steps} steps; the "
        f"invariants checked {killing.checks} times; ready again after {starts[len(starts) // 2]:.2f} s "
        f"(at most {starts[-1]:.2f} s)"
    )
    return killing.wrong


def cut(where: Path, cuts: int, seed: int, only: list[str] | None) -> list[str]:
    """Cut the power and judge; what is wrong."""
    shim = build_shim(where)
    if shim is None:
        return ["no C compiler (cc) to build the recorder with"]
    began = time.monotonic()
    cutting = Cutting(where, shim, seed, only)
    cutting.run(cuts, lambda line: print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True))
    print("\n".join(f"{count:9d} facts of {name} asked for" for name, count in sorted(cutting.facts.items())))
    print("\n".join(f"{count:9d} cuts {kind}" for kind, count in cutting.kinds.most_common()))
    return cutting.wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument(
        "--store", default="", metavar="URL", help="an empty database of PostgreSQL that keeps the state"
    )
    parser.add_argument("--power", action="store_true", help="cut the power instead")
    parser.add_argument("--cuts", type=int, default=48)
    parser.add_argument("--seed", type=int, default=SEED, help="moments and choices; the order of threads is not its")
    parser.add_argument("--only", action="append", help="a workload; may be given again")
    given = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="freehold-crash-"))
    where.chmod(0o711)  # functions read their code below it
    if given.power:
        wrong = cut(where, given.cuts, given.seed, given.only)
    else:
        wrong = kill(where, given.kills, given.seed, given.only, given.store)
    if wrong:
        print("\n".join(wrong))
        again = " ".join(sys.argv[1:] if "--seed" in sys.argv else [*sys.argv[1:], "--seed", str(given.seed)])
        print(f"{len(wrong)} wrong. The directory is kept: {where}. Again: ./dev crash {again}")
        sys.exit(1)
    shutil.rmtree(where, ignore_errors=True)
    print("Nothing that was acknowledged is lost, and every invariant holds.")


if __name__ == "__main__":
    main()
