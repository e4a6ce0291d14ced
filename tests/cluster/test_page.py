"""What docs/operations.md has people write into files is taken by the programs that it is for."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml

from cluster.balancer import DEBIAN, PAGE, configured, drain_of_the_page, lines_of_the_page
from cluster.patroni import settings_of_the_page
from freehold.node.config import load


def block(heading: str) -> str:
    """The lines of the page from this comment on, until the next one or the end of the code."""
    found = re.search(
        rf"^    # {re.escape(heading)}.*\n((?:    (?!# /).*\n|\n(?=    \S))+)", PAGE.read_text(), re.MULTILINE
    )
    assert found is not None, heading
    return textwrap.dedent(found.group(1))


def test_haproxy_takes_the_lines(tmp_path: Path) -> None:
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("no HAProxy: apt-get install haproxy")
    servers = [("a", "127.0.0.1:4711"), ("b", "127.0.0.1:4712")]
    file = tmp_path / "haproxy.cfg"
    file.write_text(DEBIAN.format(log="stdout") + configured(lines_of_the_page(), servers, 4710))
    assert "server b 127.0.0.1:4712 check" in file.read_text() and "10.0.0." not in file.read_text()
    said = subprocess.run([program, "-c", "-f", str(file)], capture_output=True, text=True)
    assert said.returncode == 0 and "WARNING" not in said.stdout + said.stderr, said


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd")
    executable = tmp_path / "freehold"
    executable.touch(0o755)
    unit = tmp_path / "freehold.service"
    unit.write_text(
        block("/etc/systemd/system/freehold.service").replace("/opt/freehold/bin/freehold", str(executable))
    )
    assert "[Install]" in unit.read_text()
    said = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True)
    assert said.returncode == 0 and "freehold.service" not in said.stderr, said


def test_the_environment_sets_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """systemd takes what is behind a value for a part of it."""
    lines = [line for line in block("/etc/freehold/environment").splitlines() if line and not line.startswith("#")]
    assert lines and not [line for line in lines if re.search(r"\s#", line)]
    monkeypatch.chdir(tmp_path)
    for name, value in (line.split("=", 1) for line in lines):
        monkeypatch.setenv(name, value)
    config = load({})
    assert (config.guarded, config.drain, config.data) == (True, int(drain_of_the_page()), Path("/var/lib/freehold"))
    assert config.store.count(",") == 2 and config.port == 4566


def test_patroni_is_told_what_keeps_acknowledged_writes() -> None:
    settings = yaml.safe_load(settings_of_the_page())["bootstrap"]["dcs"]
    assert settings["synchronous_mode"] is True
    assert settings["ttl"] >= settings["loop_wait"] + 2 * settings["retry_timeout"], "as Patroni's manual asks"
    assert settings["postgresql"]["parameters"]["max_pred_locks_per_transaction"] >= 256
