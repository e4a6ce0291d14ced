"""Killed a dozen times under a mixed load over all services; and whether these tests would notice a loss."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from freehold.testing import Freehold
from tests import postgres_server
from tests.crash.mixed import Killing, Load, free_port
from workloads import LOADS, Cloud

KILLS = int(os.environ.get("CRASH_KILLS", "12"))
SEED = 20261123


def test_everything_acknowledged_survives_kills_under_a_mixed_load(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)  # functions read their code below it
    killing = Killing(tmp_path / "data", SEED)
    load = killing.run(KILLS)
    assert killing.wrong == [], f"seed {SEED}; again: ./dev crash --kills {KILLS} --seed {SEED}"
    assert killing.kills == KILLS
    assert min(load.facts().values()) > 0, load.facts()


@pytest.mark.skipif(postgres_server.binaries() is None, reason="no PostgreSQL: install Debian's postgresql package")
def test_everything_acknowledged_survives_kills_where_the_state_is_in_postgresql(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    programs = postgres_server.binaries()
    assert programs is not None
    tmp_path.chmod(0o711)
    with postgres_server.cluster(programs) as cluster:
        killing = Killing(tmp_path / "data", SEED, store=postgres_server.database(cluster.url, "killed"))
        killing.run(KILLS // 3)
    assert killing.wrong == [], f"seed {SEED}; again: ./dev crash --kills {KILLS // 3} --seed {SEED} --store URL"


@pytest.mark.parametrize("after_s", [1.5])
def test_every_workload_notices_that_its_server_forgot(tmp_path: Path, after_s: float) -> None:
    """Else the test above could not fail: a server goes on from what it was some time ago."""
    tmp_path.chmod(0o711)
    data, old, flags = tmp_path / "data", tmp_path / "old", ("--port", str(free_port()))
    server = Freehold(data=data, flags=flags).start()
    load = Load(Cloud(server.url), LOADS)
    load.setup()
    server.stop()
    shutil.copytree(data, old)
    server = Freehold(data=data, flags=flags).start()
    load.start("forgotten")
    deadline = time.monotonic() + 30
    while min(load.facts().values()) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    load.kill(server)
    with Freehold(data=old, flags=flags):
        wrong = load.verify(patience=after_s)
    assert {line.partition(":")[0] for line in wrong} == {kind.name for kind in LOADS}, wrong
