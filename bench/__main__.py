"""`python -m bench`: Freehold and ministack in turn, on this machine in this run; writes bench/RESULTS.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench import cold, report, startup
from bench.measuring import LOAD_TOOL, load
from bench.servers import HERE, Server, freehold, ministack, peer_environment, scratch

OPERATIONS = (
    "ddb_put",
    "ddb_get",
    "ddb_query",
    "s3_put_1k",
    "s3_get_1k",
    "s3_get_1m",
    "lambda_warm",
    "httpapi_get",
    "sqs_send",
    "sqs_cycle",
    "sqs_batch",
    "sns_publish",
    "eb_1rule",
    "eb_100rules",
    "esm_sqs",
)
ALONE = ("eb_10rules", "eb_10000rules", "sqs_receive_10", "sqs_receive_1m", "esm_backlog")
"""Operations that are compared with themselves: Freehold only, 32 connections."""
CONNECTIONS = (32, 1)
LONG = ("lambda_warm", "httpapi_get")
LONGER = 6
"""Functions at 32 connections get so many times the seconds, in one turn: the peer needs a third of them to start 32."""
ONCE = ("eb_10000rules", "sqs_receive_1m", "esm_sqs")
"""Operations whose preparation takes long."""
Figures = dict[tuple[str, str, int], dict[str, Any]]
"""(server, operation, connections) -> what load.py measured."""


def measure(tool: Path, servers: list[Server], operations: list[str], seconds: float, rounds: int) -> Figures:
    """Each operation on each server in turn, `rounds` times; the round with the most requests counts."""
    figures: Figures = {}
    for operation in operations:
        alone = operation in ALONE
        for connections in CONNECTIONS[:1] if alone or operation == "esm_sqs" else CONNECTIONS:
            long = operation in LONG and connections > 1
            turns, each = (1, seconds * LONGER) if long else (rounds, seconds / rounds)
            turns = 1 if operation in ONCE else turns
            for turn in range(turns):
                for server in servers if turn % 2 == 0 else reversed(servers):
                    if alone and server.name != "freehold":
                        continue
                    found = load(tool, server, operation, connections, each)
                    key = (server.name, operation, connections)
                    if found.get("rps", 0) >= figures.get(key, {}).get("rps", 0):
                        figures[key] = found
            print(report.line(figures, operation, connections), flush=True)
    return figures


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="per operation, server and number of connections")
    parser.add_argument("--rounds", type=int, default=2, help="turns into which these seconds are divided")
    parser.add_argument("--ops", default=",".join((*OPERATIONS, *ALONE)), help="operations of load.py, comma separated")
    parser.add_argument("--cold", type=int, default=12, help="functions started cold, of each kind")
    parser.add_argument("--starts", type=int, default=5, help="starts of each server")
    parser.add_argument("--load-tool", type=Path, default=LOAD_TOOL, help="load.py")
    parser.add_argument(
        "--peer", default=os.environ.get("FREEHOLD_BENCH_PEER"), help="a virtual environment of ministack"
    )
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    given = parser.parse_args()
    if not given.load_tool.exists():
        sys.exit(f"bench: there is no {given.load_tool}; say where load.py is with --load-tool")
    peer = peer_environment(given.peer)
    began = time.time()
    starts = {
        "freehold": startup.measure(lambda where: freehold(where / "data"), given.starts),
        "ministack": startup.measure(lambda where: ministack(peer), given.starts),
    }
    colds: dict[tuple[str, str], float] = {}
    with scratch() as directory:
        servers = [ministack(peer), freehold(Path(directory) / "data")]
        try:
            for server in servers:
                server.start(Path(directory))
            for server in servers:
                cold.p50(server.url, cold.PLAIN, 1)
                colds[server.name, "plain"] = cold.p50(server.url, cold.PLAIN, given.cold)
            colds["freehold", "boto3"] = cold.p50(servers[1].url, cold.WITH_BOTO3, given.cold)
            figures = measure(given.load_tool, servers, given.ops.split(","), given.seconds, given.rounds)
        finally:
            for server in servers:
                if hasattr(server, "process"):
                    server.stop()
    given.output.write_text(report.markdown(figures, starts, colds, began, given.seconds, peer))
    print(f"wrote {given.output}")


if __name__ == "__main__":
    main()
