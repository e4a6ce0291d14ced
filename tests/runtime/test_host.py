"""The survey tells what is, and how to get what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.runtime.host import default_node_modules, sdk_install_command, survey


def test_every_finding_that_is_not_ok_has_a_remedy() -> None:
    findings = survey()
    assert {"bubblewrap", "namespaces", "control groups", "python", "boto3", "node"} <= {one.name for one in findings}
    assert all(one.ok or one.remedy for one in findings)
    assert all(one.detail for one in findings)


def test_without_bubblewrap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.runtime.sandbox.Host.find_bubblewrap", staticmethod(lambda: None))
    found = {one.name: one for one in survey()}
    assert not found["bubblewrap"].ok and found["bubblewrap"].remedy == "apt install bubblewrap"
    assert not found["namespaces"].ok


def test_the_sdk_is_found_where_the_command_puts_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(directory))
    assert default_node_modules() is None
    prefix = Path(sdk_install_command()[3])
    (prefix / "node_modules" / "@aws-sdk" / "client-x").mkdir(parents=True)
    assert default_node_modules() == prefix / "node_modules"
    assert {one.name: one.ok for one in survey()}["AWS SDK for JavaScript"]
