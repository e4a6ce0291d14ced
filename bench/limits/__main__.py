"""`python -m bench.limits`: the limits of this machine with 32 connections and with one."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import competition
from bench.limits.servers import LIMITS
from bench.report import operations
from bench.rounds import LOAD_TOOL, Entrant, Pace, compete


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="per limit and number of connections")
    parser.add_argument("--load-tool", type=Path, default=LOAD_TOOL, help="load.py")
    given = parser.parse_args()
    pace = Pace(rounds=2, many_s=given.seconds / 2, one_s=given.seconds / 2)
    with competition.field(given.load_tool, ("redis", "reply", "signed", "runtime")) as running:
        figures = competition.limits(running, pace)
        for limit in LIMITS:
            if limit.operation is None or limit.server == "reply":
                continue
            entrant = Entrant(running.loaders[limit.server], limit.operation)
            compete([entrant], competition.CONNECTIONS, pace, pace.warm_s)
            figures |= {(limit.name, "limits", connections): found for connections, found in entrant.figures().items()}
    titles = {each.name: (each.title, "limits") for each in LIMITS}
    print("\n".join(operations.limits(figures, titles).markdown()))


if __name__ == "__main__":
    main()
