"""docs/testing.md does what it says: its code is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
NAMED = {found[1]: block for block in BLOCKS if (found := re.match(r"# (\w+\.py)\n", block))}
SCRIPTS = [block for block in BLOCKS if not block.startswith("# ")]


def run(*arguments: str, at: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=at, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_suite_of_the_page_passes(tmp_path: Path) -> None:
    assert set(NAMED) == {"orders.py", "test_orders.py", "test_retries.py"}
    for name, block in NAMED.items():
        (tmp_path / name).write_text(block)
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), at=tmp_path)
    assert "4 passed" in said


def test_the_scripts_of_the_page_run(tmp_path: Path) -> None:
    assert len(SCRIPTS) == 2
    for number, block in enumerate(SCRIPTS):
        (tmp_path / f"script_{number}.py").write_text(block)
        run(f"script_{number}.py", at=tmp_path)
