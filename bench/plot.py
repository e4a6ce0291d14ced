"""What the picture shows, as plain data; `bench/draw.py` draws it with matplotlib, in an environment of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.report.operations import PEERS, Figures
from bench.report.table import trouble
from bench.rules import RATIOS, SHARES, ratio

DRAW = Path(__file__).with_name("draw.py")


def data(figures: Figures, found: Mapping[str, Any]) -> dict[str, Any]:
    """Panels: times the peers' requests/s, shares of the limits, bursts, memory. What was not measured is empty."""
    return {
        "operations": operations(figures),
        "shares": shares(figures),
        "burst": {kind: each["series"] for kind, each in found.get("burst", {}).items() if isinstance(each, dict)},
        "memory": memory(found.get("memory", {})),
    }


def operations(figures: Figures) -> list[dict[str, Any]]:
    """Requests/s of everybody at 32 connections, and times the first peer's; None where a server has no figure."""
    made = []
    for operation, (name, wanted) in RATIOS.items():
        everybody = {who: figures.get((who, operation, 32), {}) for who in ("freehold", *PEERS)}
        if everybody["freehold"] and not trouble(everybody["freehold"]):
            rates = {who: None if trouble(found) else found["rps"] for who, found in everybody.items()}
            times = ratio(everybody["freehold"], everybody[PEERS[0]]) if rates[PEERS[0]] else None
            made.append({"name": name, "wanted": wanted, "rates": rates, "times": times})
    return made


def shares(figures: Figures) -> list[dict[str, Any]]:
    """Shares of the limits at 32 connections."""
    made = []
    for operation, (limit, wanted, judged) in SHARES.items():
        ours, bare = figures.get((judged, operation, 32), {}), figures.get((limit, operation, 32), {})
        if not trouble(ours) and not trouble(bare) and (share := ratio(ours, bare)) is not None:
            made.append({"name": RATIOS[operation][0], "share": share, "wanted": wanted})
    return made


def memory(found: Mapping[str, Any]) -> dict[str, Any]:
    """The samples, and when each phase began."""
    if "series" not in found:
        return {}
    phases = [{"name": phase["name"], "start_s": phase["start_s"]} for phase in found["phases"]]
    return {"series": found["series"], "phases": phases}


def draw(environment: Path, given: Path, picture: Path) -> None:
    """Make the picture. Raises CalledProcessError."""
    subprocess.run([str(environment / "bin" / "python"), "-I", str(DRAW), str(given), str(picture)], check=True)
