"""`python -m fuzz`: bad input, at a server of its own or at engines by themselves; what broke (exit code 1).

The seed of a run is printed; `--seed` repeats it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from fuzz import supervisor

LONG_S = 120.0
"""Runs of this many seconds also say which lines they reached."""


def main() -> None:
    """Fuzz for a while and say what broke."""
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--services", help="comma separated names of botocore's models; default: all that are offered")
    parser.add_argument("--guarded", action="store_true", help="a guarded server: forged requests beside signed ones")
    parser.add_argument(
        "--target", help="pure engines, comma separated, instead of a server; all: every one; list: their names"
    )
    parser.add_argument("--jobs", type=int, default=2, help="targets at once")
    parser.add_argument("--work", type=Path, help="where corpora and findings are kept; default: a directory in /tmp")
    parser.add_argument("--replay", type=Path, help="run the input of a finding again")
    given = parser.parse_args()
    if given.replay is not None:
        sys.exit(not _replay(given.replay))
    if given.target == "list":
        print("\n".join(supervisor.known("all")))
        return
    seed = given.seed if given.seed is not None else int(time.time())
    print(f"seed {seed}", flush=True)
    work = given.work or Path(tempfile.mkdtemp(prefix="freehold-fuzz-"))
    if given.target is not None:
        sys.exit(_pure(given, seed, work))
    from fuzz.live import run

    sys.exit(
        run.fuzz(given.seconds, seed, given.services.split(",") if given.services else [], work, guarded=given.guarded)
    )


def _pure(given: argparse.Namespace, seed: int, work: Path) -> bool:
    """Fuzz pure targets; whether anything was found."""
    names = supervisor.known(given.target)
    outcomes = supervisor.fuzz(names, given.seconds, seed, work, jobs=given.jobs, coverage=given.seconds >= LONG_S)
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    for text, path in findings:
        print(f"\n{path}\n{text}")
    total = sum(outcome.executions for outcome in outcomes)
    print(f"{total:,} executions of {len(names)} targets, {len(findings)} findings", flush=True)
    if findings:
        print("repeat one with: ./dev fuzz --replay FILE")
    return bool(findings)


def _replay(path: Path) -> bool:
    if "live" in json.loads(path.read_text()):
        from fuzz.live import replay

        return replay.replay(path)
    return supervisor.replay(path)


if __name__ == "__main__":
    main()
