"""One target in one process, until its time is over: `python -m fuzz.runner NAME --seconds N --seed N --work DIR`.

With atheris (libFuzzer for Python) the inputs follow coverage; without it they are random and mutated. Either way an
exception, a broken property, an input that takes too long or too much memory, or one whose outcome differs the second time
is a finding, written to DIR once per place, and the run goes on.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import importlib
import io
import json
import os
import pkgutil
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz.draws import Draws

REPEATED = 16
"""Every so many inputs one is run twice, to see whether its outcome is the same."""
MEMORY_MB = 96
"""By which one input may raise the most memory that the process ever had."""
HANG_S = 25
"""Real seconds after which libFuzzer ends the process: for what even an exception cannot interrupt."""
SEEDS = 64
"""Random inputs to begin with."""
LEAST_S = 1.0
"""Of inputs, however long it took to begin."""
BEGUN = time.monotonic()


class TooSlow(BaseException):
    """Raised into an input that runs for too long; no `except Exception` of an engine stops it."""


class Judge:
    """Runs inputs and keeps what is wrong with them."""

    def __init__(self, target: Any, work: Path) -> None:
        self.target, self._work = target, work
        self.executions = 0
        self.slowest = 0.0
        self.findings: dict[str, str] = {}
        self._again = 0

    def one(self, data: bytes) -> None:
        """One input. Never raises."""
        self.executions += 1
        peak, begun = _peak_mb(), time.process_time()
        problem, outcome = self._run(data)
        spent, grown = time.process_time() - begun, _peak_mb() - peak
        self.slowest = max(self.slowest, spent)
        if problem is None and spent > self.target.seconds:
            # A collection of garbage or a first import may have come in between: what is slow is slow again.
            begun = time.process_time()
            problem, _ = self._run(data)
            if problem is None and time.process_time() - begun > self.target.seconds:
                problem = ("slow", f"took {spent:.2f} s")
        if problem is None and grown > MEMORY_MB and self.executions > 100:
            problem = ("memory", f"needed {grown:.0f} MB")
        self._again += 1
        if problem is None and self._again >= REPEATED and self.target.repeatable:
            self._again = 0
            _, second = self._run(data)
            if second != outcome:
                problem = ("differs", f"{outcome!r}"[:1_500] + " then " + f"{second!r}"[:1_500])
        if problem is not None:
            self._keep(*problem, data)

    def _run(self, data: bytes) -> tuple[tuple[str, str] | None, Any]:
        try:
            with _limited(self.target.seconds * 4):
                return None, self.target.run(Draws(data))
        except TooSlow:
            return (f"hang {_place(sys.exc_info()[2])}", traceback.format_exc()[-3_000:]), None
        except RecursionError:
            return ("RecursionError", traceback.format_exc()[-3_000:]), None
        except MemoryError:
            return ("MemoryError", traceback.format_exc()[-3_000:]), None
        except Exception as problem:  # noqa: BLE001 whatever leaves a target is a finding
            place = _place(sys.exc_info()[2])
            return (f"{type(problem).__name__} {place}", traceback.format_exc()[-6_000:]), None

    def _keep(self, where: str, text: str, data: bytes) -> None:
        if where in self.findings:
            return
        self.findings[where] = text
        name = f"{self.target.name}-{len(self.findings)}-{os.getpid()}.json"
        write_reproducer(self._work / name, self.target.name, data, f"{where}\n{text}")


def write_reproducer(path: Path, target: str, data: bytes, finding: str) -> None:
    """What `./dev fuzz --replay` takes."""
    path.write_text(
        json.dumps({"target": target, "input": base64.b64encode(data).decode(), "finding": finding}, indent=1)
    )


def _place(trace: Any) -> str:
    """The last line of Freehold's (or of the target's) in a traceback."""
    frames = [f for f in traceback.extract_tb(trace) if "/freehold/" in f.filename or "/fuzz/targets/" in f.filename]
    last = frames[-1] if frames else None
    return f"{Path(last.filename).name}:{last.lineno}" if last else "?"


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TooSlow into what takes longer, in CPU seconds of the process."""
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow


def fuzz_with_atheris(judge: Judge, given: argparse.Namespace, end: Callable[[], None]) -> None:
    """Inputs that follow coverage; `end` is called when the time is over and does not return."""
    import atheris

    corpus = given.work / "corpus"
    corpus.mkdir(exist_ok=True)
    if not any(corpus.iterdir()):
        for number, data in enumerate(beginnings(judge.target, given.seed)):
            (corpus / f"seed-{number:03}").write_bytes(data)
    words = given.work / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in judge.target.dictionary))
    deadline = _deadline(given.seconds)

    def one(data: bytes) -> None:
        judge.one(data)
        if judge.executions & 15 == 0 and time.monotonic() > deadline:
            end()

    options = [
        f"-seed={given.seed % (1 << 31) or 1}",
        f"-max_len={judge.target.longest}",
        f"-timeout={max(HANG_S, int(judge.target.seconds * 10))}",
        f"-artifact_prefix={given.work}/killed-",
        "-len_control=20",
        "-rss_limit_mb=1500",
        "-detect_leaks=0",
        *([f"-dict={words}"] if judge.target.dictionary else []),
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


def _deadline(seconds: float) -> float:
    """A target's share holds what it takes to import and instrument its modules."""
    return max(BEGUN + seconds, time.monotonic() + LEAST_S)


def _escaped(word: str) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word.encode())


def beginnings(target: Any, seed: int) -> Iterator[bytes]:
    """Inputs to begin with: random bytes of several lengths, some with words of the target's language."""
    seeded = random.Random(f"{target.name} {seed}")
    for _ in range(SEEDS):
        data = bytearray(seeded.randbytes(seeded.choice((16, 64, 200, 600, target.longest))))
        for _ in range(seeded.randrange(4) if target.dictionary else 0):
            word = seeded.choice(target.dictionary).encode()
            at = seeded.randrange(len(data))
            data[at : at + len(word)] = word
        yield bytes(data[: target.longest])


def fuzz_blindly(judge: Judge, given: argparse.Namespace, end: Callable[[], None]) -> None:
    """Where atheris is not installed: random inputs and mutations of them, without coverage."""
    seeded = random.Random(given.seed)
    pool = list(beginnings(judge.target, given.seed))
    deadline = _deadline(given.seconds)
    while time.monotonic() < deadline:
        data = bytearray(seeded.choice(pool))
        for _ in range(seeded.choice((1, 1, 2, 4, 16))):
            at = seeded.randrange(len(data) + 1)
            kind = seeded.randrange(4)
            if kind == 0:
                data[at : at + 1] = bytes([seeded.randrange(256)])
            elif kind == 1:
                data[at:at] = seeded.randbytes(seeded.randrange(1, 16))
            elif kind == 2:
                del data[at : at + seeded.randrange(1, 16)]
            else:
                data[at : at + 24] = seeded.randbytes(24)
        judge.one(bytes(data[: judge.target.longest]))
        if seeded.random() < 0.05:
            pool[seeded.randrange(len(pool))] = bytes(data) or b"\0"
    end()


def load(name: str, *, instrument: bool) -> Any:
    """The target, its modules instrumented for coverage where atheris is there."""
    if instrument:
        import atheris

        covers = _covers(name)
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            atheris.instrument_imports(include=covers),
        ):
            for module in covers:
                _import_all(module)
            return _find(name)
    return _find(name)


def _import_all(name: str) -> None:
    """A module and, of a package, everything inside."""
    module = importlib.import_module(name)
    for inner in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        importlib.import_module(inner.name)


def _covers(name: str) -> list[str]:
    """The modules to instrument; read from a list, since importing the target would import them too early."""
    from fuzz.targets.catalog import COVERS

    return list(COVERS[name][1])


def _find(name: str) -> Any:
    from fuzz.targets import load_target

    return load_target(name)


def has_atheris() -> bool:
    try:
        import atheris  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz.runner", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    guided = has_atheris()
    judge = Judge(load(given.target, instrument=guided), given.work)
    signal.signal(signal.SIGVTALRM, _too_slow)
    if judge.target.prepare is not None:
        judge.target.prepare()

    def end() -> None:
        summary = {
            "target": given.target,
            "executions": judge.executions,
            "guided": guided,
            "slowest": round(judge.slowest, 3),
            "peak_mb": round(_peak_mb()),
            "findings": judge.findings,
        }
        (given.work / "summary.json").write_text(json.dumps(summary))
        sys.stdout.flush()
        os._exit(0)

    (fuzz_with_atheris if guided else fuzz_blindly)(judge, given, end)


if __name__ == "__main__":
    main()
