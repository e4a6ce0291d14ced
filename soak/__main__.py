"""`./dev soak`: all services mixed on a durable server for as long as asked; exit code 1 where something grew or failed."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from soak import drawing, judging, report, samples
from soak.judging import Latencies, Verdict
from soak.load import Load, TimedCloud, Watch
from soak.mix import mixed
from soak.samples import Observer, Rows, Sample
from soak.server import Server
from workloads.base import Workload
from workloads.complaints import complaints

HERE = Path(__file__).resolve().parent
ACCOUNT = "200000000000"
PLANTS = ("memory", "files", "threads", "tasks", "processes", "rows", "blobs", "latency")


class Run:
    """One run: what was seen, and what was found."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.taken: list[Sample] = []
        self.rows: list[tuple[float, Rows]] = []
        self.load: Load | None = None
        self.problems: dict[str, int] = {}
        """Steps that failed: what they said, and how often."""
        self.wrong: list[str] = []
        self.verdicts: list[Verdict] = []
        self.read_again: Latencies = {}

    def hold(self, server: Server, data: Path, given: argparse.Namespace) -> None:
        """Load the server for so long, and look at it every few seconds."""
        cloud = TimedCloud(server.url, self.watch, ACCOUNT)
        workloads = mixed(cloud, given.rate)
        for workload, _ in workloads:
            workload.setup()
        observer = Observer(server.process.pid, server.url, data)
        self.load, self.watch.began = Load(workloads, seed=1), time.monotonic()
        self.watch.minutes.clear()
        self.load.start()
        due = given.every
        while due <= given.minutes * 60:
            time.sleep(max(0.0, self.watch.began + due - time.monotonic()))
            if server.process.poll() is not None:
                raise SystemExit(
                    "\n".join([*self.complaints(server), f"The server ended with {server.process.returncode}."])
                )
            self.taken.append(observer.sample(time.monotonic() - self.watch.began, self.watch.recent()))
            if len(self.taken) % 6 == 0:
                self.rows.append((self.taken[-1].at_s, observer.rows()))
                self._say(given.output)
            due += given.every
        hanging = self.load.stop()
        self.wrong += [f"a thread of the load hangs: {name}" for name in hanging]
        self.problems = dict(self.load.problems)
        if not hanging:
            self.wrong += _verified([workload for workload, _ in workloads])

    @staticmethod
    def complaints(server: Server) -> list[str]:
        """What the server logged as errors until now."""
        return complaints(server.log) if server.log is not None else []

    def _say(self, output: Path) -> None:
        """One line, and everything until now on disk: a run that is cut is not lost."""
        last, (_, rows) = self.taken[-1], self.rows[-1]
        assert self.load is not None
        print(
            f"{last.at_s / 60:5.1f} min: rss {last.rss_mb:.1f} pss {last.pss_mb:.1f} functions {last.functions_mb:.0f} MB "
            f"({last.functions}), files {last.files}, threads {last.threads}, tasks {last.tasks}, store {last.store_mb:.1f} "
            f"wal {last.wal_mb:.1f} blobs {last.blobs_mb:.1f} MB, {sum(count for count, _ in rows.values())} rows, "
            f"cpu {last.cpu:.2f}+{last.functions_cpu:.2f}, p50 {last.p50_ms:.1f} p99 {last.p99_ms:.0f} ms, "
            f"{sum(self.load.steps.values())} steps, {sum(self.load.problems.values())} problems",
            flush=True,
        )
        self.write(output)

    def write(self, output: Path) -> None:
        """Samples, rows and latencies as comma separated values."""
        output.mkdir(parents=True, exist_ok=True)
        (output / "samples.csv").write_text(samples.table(self.taken))
        (output / "rows.csv").write_text(report.rows_table(self.rows))
        (output / "latency.csv").write_text(report.latency_table(self.latencies))
        if self.load is not None:
            (output / "problems.json").write_text(json.dumps([dict(self.load.problems), self.wrong], indent=1))

    @property
    def latencies(self) -> Latencies:
        """By minute and operation."""
        return self.read_again or self.watch.by_minute()

    def judge(self) -> None:
        """By the rules of soak.judging."""
        self.verdicts = judging.judge_samples(self.taken) + judging.judge_work(self.taken)
        self.verdicts += judging.judge_room(self.rows, self.taken) + judging.judge_rows(self.rows, self.taken)
        self.verdicts += judging.judge_latency(self.latencies, self.taken)

    def conclude(self, output: Path) -> bool:
        """Judge, write, draw, say; whether all is well."""
        self.judge()
        failed = report.alike(self.problems) + self.wrong
        wrong = [f"{each.title}: {each.said}" for each in self.verdicts if not each.flat] + failed
        (output / "server.svg").write_text(drawing.svg(drawing.sample_strips(self.taken)))
        (output / "rows.svg").write_text(drawing.svg(drawing.row_strips(self.rows)))
        (output / "latency.svg").write_text(drawing.svg(drawing.latency_strips(self.latencies)))
        kept = output.resolve() == HERE / "results"
        text = report.document(
            self.taken,
            self.latencies,
            self.verdicts,
            failed,
            pictures="results/" if kept else "",
            notes=(HERE / "NOTES.md").read_text() if kept else "",
        )
        ((HERE if kept else output) / "RESULTS.md").write_text(text)
        print("flat" if not wrong else "NOT FLAT:\n" + "\n".join(wrong))
        return not wrong


def _verified(workloads: Sequence[Workload]) -> list[str]:
    return [
        f"{workload.name}: {line}" for workload in workloads for line in workload.verify(workload.ledger, patience=60)
    ]


def again(directory: Path) -> Run:
    """A run that has been, from its tables."""
    run = Run()
    run.taken, run.rows, run.read_again = report.read(directory)
    run.problems, run.wrong = json.loads((directory / "problems.json").read_text())
    return run


def arguments() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=65.0)
    parser.add_argument("--rate", type=float, default=1.0, help="times the moderate pace of every workload (default 1)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="directory of tables and pictures")
    parser.add_argument("--data", type=Path, help="directory to use and to leave there (default: one that goes)")
    parser.add_argument("--judge", type=Path, metavar="DIR", help="run nothing: judge the tables of DIR once more")
    parser.add_argument("--plant", choices=PLANTS, help="leak this on purpose: the run has to fail, and to name it")
    parser.add_argument("--tracemalloc", type=int, default=0, metavar="FRAMES", help="what holds memory (slow)")
    return parser.parse_args()


def main() -> None:
    """Hold the load and judge."""
    given = arguments()
    if given.judge is not None:
        sys.exit(not again(given.judge).conclude(given.judge))
    where = Path(tempfile.mkdtemp(prefix="freehold-soak-"))
    where.chmod(0o711)
    run, data = Run(), given.data or where / "data"
    try:
        server = Server(data, log=where / "log", plant=given.plant, frames=given.tracemalloc)
        with server:
            run.hold(server, data, given)
        run.wrong += run.complaints(server)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    run.write(given.output)
    sys.exit(not run.conclude(given.output))


if __name__ == "__main__":
    main()
