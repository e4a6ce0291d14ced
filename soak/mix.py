"""What is mixed: the loads of all services, which go on over what stays, and the churn of what comes and goes."""

from __future__ import annotations

from collections.abc import Sequence

from soak.churn import CHURN
from workloads import LOADS
from workloads.base import Workload
from workloads.cloud import Cloud

STEP_S = 0.35
"""Seconds between the steps of a load at the moderate pace."""
SLOWER = {"cloudformation": 4.0, "iam": 1.0, "apigateway-http": 1.0, "apigateway": 1.0}
"""Loads that manage rather than move: the seconds between their steps."""


def mixed(cloud: Cloud, rate: float) -> Sequence[tuple[Workload, float]]:
    """Every workload with the seconds between its steps, `rate` times the moderate pace."""
    loads: list[tuple[Workload, float]] = [
        (kind(cloud, lane="soak"), SLOWER.get(kind.name, STEP_S) / rate) for kind in LOADS
    ]
    churn: list[tuple[Workload, float]] = [(kind(cloud, lane="soak"), pause / rate) for kind, pause in CHURN]
    return loads + churn
