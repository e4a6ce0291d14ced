"""`python -m bench.limits`: the limits of this machine with 32 connections and with one."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.limits import appends, redis
from bench.limits.servers import LIMITS, Limit, make
from bench.measuring import LOAD_TOOL, Found, load
from bench.servers import Server, scratch

CONNECTIONS = (32, 1)


def measure(limit: Limit, server: Server | None, where: Path, connections: int, seconds: float, tool: Path) -> Found:
    """One limit. What is not installed is `unsupported`."""
    if limit.name == "appends":
        return appends.measure(where, connections, seconds)
    if server is None:
        return {"unsupported": "not installed"}
    if limit.name == "redis":
        return redis.measure(server.port, connections, seconds)
    assert limit.operation is not None
    return load(tool, server, limit.operation, connections, seconds)


def main() -> None:
    """Measure and print, one limit after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="per limit and number of connections")
    parser.add_argument("--only", help="names of limits, comma separated: " + ", ".join(each.name for each in LIMITS))
    parser.add_argument("--load-tool", type=Path, default=LOAD_TOOL, help="load.py")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [each.name for each in LIMITS]
    with scratch() as directory:
        for limit in LIMITS:
            if limit.name not in wanted:
                continue
            where = Path(directory) / limit.name
            where.mkdir()
            server = None if limit.name == "appends" else make(limit.server, where)
            if server is not None:
                server.start(where)
            try:
                for connections in CONNECTIONS:
                    found = measure(limit, server, where, connections, given.seconds, given.load_tool)
                    print(f"{limit.title:62s} {connections:3d}  {words(found)}", flush=True)
            finally:
                if server is not None:
                    server.stop()


def words(found: Found) -> str:
    """A measurement in a line."""
    if "unsupported" in found:
        return f"none: {found['unsupported']}"
    said = (
        f"{found['rps']:>9,.0f}/s  p50 {found['p50_ms']:.2f} ms  p99 {found['p99_ms']:.2f} ms  {found['errors']} errors"
    )
    return said + (f"  server {found['server_cpu']:.2f} CPUs" if "server_cpu" in found else "")


if __name__ == "__main__":
    main()
