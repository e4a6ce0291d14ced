"""The pure targets, each in a process of its own, some at once; what they found, and how much of their modules they saw."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.runner import write_reproducer
from fuzz.targets.catalog import COVERS

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv-fuzz"
SHORT_S = 10.0
"""Below so many seconds inputs are random: instrumenting modules takes some of them."""
GRACE_S = 90.0
"""For starting, and for what libFuzzer itself does before it notices the end."""


@dataclass(slots=True)
class Outcome:
    """What came of one target."""

    name: str
    executions: int = 0
    guided: bool = False
    slowest: float = 0.0
    peak_mb: int = 0
    coverage: str = ""
    findings: list[tuple[str, Path]] = field(default_factory=list)
    """What is wrong, and the file that repeats it."""


def environment() -> dict[str, str]:
    """The environment of processes that import the checkout and, where it is installed, atheris."""
    paths = [str(CHECKOUT), *(path for path in sys.path if path.endswith("site-packages"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}


def python(seconds: float) -> str:
    """The interpreter with atheris where that is installed and the time long enough for coverage to lead anywhere."""
    guided = VENV / "bin" / "python"
    return str(guided) if seconds >= SHORT_S and guided.exists() else sys.executable


def fuzz(names: list[str], seconds: float, seed: int, work: Path, *, jobs: int, coverage: bool) -> list[Outcome]:
    """Fuzz every target for its share of `seconds`, some at once; progress is printed as they end."""
    share = max(seconds * jobs / len(names), 1.0) if len(names) > 1 else seconds
    with ThreadPoolExecutor(jobs) as executor:
        outcomes = []
        for outcome in executor.map(lambda name: _one(name, share, seed, work / name, coverage), names):
            outcomes.append(outcome)
            found = f", {len(outcome.findings)} FINDINGS" if outcome.findings else ""
            how = "" if outcome.guided else " (without coverage)"
            print(
                f"{outcome.name:16} {outcome.executions:>9,} executions{how}, slowest {outcome.slowest:.2f} s, "
                f"{outcome.peak_mb} MB{outcome.coverage}{found}",
                flush=True,
            )
    return outcomes


def _one(name: str, seconds: float, seed: int, work: Path, coverage: bool) -> Outcome:
    outcome, deadline = Outcome(name), time.monotonic() + seconds
    rounds = 0
    while rounds == 0 or deadline - time.monotonic() > 5:
        left = max(deadline - time.monotonic(), 1.0)
        _run(outcome, left, seed + rounds, work)
        rounds += 1
        if len(outcome.findings) > 20:
            break
    if coverage:
        outcome.coverage = _coverage(name, work)
    return outcome


def _run(outcome: Outcome, seconds: float, seed: int, work: Path) -> None:
    """One process. Where it dies of an input, that input is a finding, and the next process goes on."""
    work.mkdir(parents=True, exist_ok=True)
    summary = work / "summary.json"
    summary.unlink(missing_ok=True)
    command = [
        python(seconds),
        "-m",
        "fuzz.runner",
        outcome.name,
        "--seconds",
        str(seconds),
        "--seed",
        str(seed),
        "--work",
        str(work),
    ]
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment(), stdout=log, stderr=log)
        try:
            process.wait(seconds + GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if summary.exists():
        said: dict[str, Any] = json.loads(summary.read_text())
        outcome.executions += said["executions"]
        outcome.guided = said["guided"]
        outcome.slowest = max(outcome.slowest, said["slowest"])
        outcome.peak_mb = max(outcome.peak_mb, said["peak_mb"])
    killers = list(work.glob("killed-*"))
    for path in killers:
        reproducer = work / f"{outcome.name}-{path.name}.json"
        write_reproducer(
            reproducer, outcome.name, path.read_bytes(), f"the process was ended by this input\n{_tail(work)}"
        )
        path.unlink()
    if not summary.exists() and not killers:
        path = work / f"{outcome.name}-ended.json"
        write_reproducer(path, outcome.name, b"", f"the process ended with {process.returncode}\n{_tail(work)}")
    known = {path for _, path in outcome.findings}
    for path in sorted(work.glob(f"{outcome.name}-*.json")):
        if path not in known:
            outcome.findings.append((json.loads(path.read_text())["finding"], path))


def _tail(work: Path) -> str:
    return (work / "log").read_text(errors="replace")[-3_000:]


def _coverage(name: str, work: Path) -> str:
    command = [sys.executable, "-m", "fuzz.lines", name, str(work / "corpus")]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False)
    return f", {done.stdout.strip()}" if done.returncode == 0 else f", coverage: {done.stderr[-200:]}"


def replay(path: Path) -> bool:
    """Run the input of a reproducer again, here, and print what happens. True where all is well."""
    from fuzz.draws import Draws
    from fuzz.targets import load_target

    kept = json.loads(path.read_text())
    target, data = load_target(kept["target"]), base64.b64decode(kept["input"])
    begun = time.process_time()
    try:
        outcome = target.run(Draws(data))
    except Exception:  # noqa: BLE001 the whole point is to show it
        import traceback

        traceback.print_exc()
        return False
    spent = time.process_time() - begun
    print(f"{repr(outcome)[:2_000]}\nno finding: {spent:.3f} s")
    return spent < target.seconds


def known(names: str) -> list[str]:
    """The targets that a comma separated list names; "all" is every one."""
    chosen = list(COVERS) if names in ("all", "") else names.split(",")
    unknown = [name for name in chosen if name not in COVERS]
    if unknown:
        raise SystemExit(f"No such target: {', '.join(unknown)}. There are: {', '.join(COVERS)}.")
    return chosen
