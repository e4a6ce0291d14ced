"""Virtual environments that the command makes once: one for each peer, and one for the plot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = {
    "ministack": ("ministack", "aws-sam-translator", "boto3"),
    "moto": ("moto[server]",),
    "plot": ("matplotlib",),
}
PROGRAMS = {"ministack": "ministack", "moto": "moto_server", "plot": "python"}


def environment(name: str) -> Path:
    """The directory of the environment `name`, made and filled where it is not there yet."""
    where = HERE / f".venv-{name}"
    done = where / ".complete"
    if not done.exists():
        print(f"Installing {', '.join(PACKAGES[name])} into {where}", file=sys.stderr)
        apart = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        _run([sys.executable, "-m", "venv", "--clear", str(where)], apart)
        pip = [str(where / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*pip, *PACKAGES[name]], apart)
        done.touch()
    return where.absolute()


def program(name: str) -> Path:
    """What is started in an environment."""
    return environment(name) / "bin" / PROGRAMS[name]


def version(name: str) -> str:
    """Name and version of the first package of an environment."""
    package = PACKAGES[name][0].partition("[")[0]
    found = sorted((HERE / f".venv-{name}").glob(f"lib/python3*/site-packages/{package}-*.dist-info"))
    return f"{package} {found[-1].name.removesuffix('.dist-info').partition('-')[2]}" if found else package


def _run(command: list[str], environment: dict[str, str]) -> None:
    """Quietly, unless it fails. Ends this process then, with what was said."""
    made = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        sys.exit(f"bench: {' '.join(command)} failed:\n{made.stdout}")
