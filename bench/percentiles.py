"""Percentiles of what was measured, by nearest rank."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the (sorted) values that is not exceeded by `share` of them. Raises ValueError for none."""
    if not values:
        raise ValueError("there are no values")
    return values[max(0, math.ceil(share * len(values)) - 1)]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest of latencies, in milliseconds."""
    ordered = sorted(seconds)
    found = {"p50_ms": percentile(ordered, 0.5), "p99_ms": percentile(ordered, 0.99), "max_ms": ordered[-1]}
    return {name: round(value * 1e3, 3) for name, value in found.items()}
