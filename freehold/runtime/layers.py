"""What stands at /opt, and which template process suits a package."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

_MAX_FILES = 400
_MAX_BYTES = 4 * 1024 * 1024
_TOKENS = (b"boto3", b"botocore")


def merged(layers: Sequence[Path], scratch: Path) -> Path | None:
    """The directory for /opt: the one layer itself, or the merge of several, later ones over earlier, made once."""
    if not layers:
        return None
    if len(layers) == 1:
        return layers[0]
    name = hashlib.sha256("\0".join(str(path) for path in layers).encode()).hexdigest()[:32]
    target = scratch / "layers" / name
    if target.is_dir():
        return target
    building = target.with_name(f"{name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for layer in layers:
        _lay_over(layer, building)
    building.chmod(0o755)
    building.rename(target)
    return target


def _lay_over(layer: Path, target: Path) -> None:
    for directory, subdirectories, files in os.walk(layer):
        base = target / Path(directory).relative_to(layer)
        for name in [name for name in subdirectories if not os.path.islink(os.path.join(directory, name))]:
            below = base / name
            if below.is_symlink() or below.is_file():
                below.unlink()
            below.mkdir(exist_ok=True)
            below.chmod(0o755)
        links = [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]
        for name in [*files, *links]:
            _place(Path(directory, name), base / name)


def _place(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def wants_sdk(code: Path, layers: Sequence[Path]) -> bool:
    """Whether a Python package uses boto3 and brings none of its own, so that a template with boto3 imported serves it.

    A guess from the sources, bounded in files and bytes: a wrong one costs time, not correctness, except that a package
    with its own boto3 must never start from the template.
    """
    if any(_brings_sdk(root) for root in _import_roots(code, layers)):
        return False
    files = size = 0
    for path in _sources(code):
        files += 1
        try:
            text = path.read_bytes()
        except OSError:
            continue
        size += len(text)
        if any(token in text for token in _TOKENS):
            return True
        if files > _MAX_FILES or size > _MAX_BYTES:
            break
    return False


def _import_roots(code: Path, layers: Sequence[Path]) -> Iterator[Path]:
    yield code
    for layer in layers:
        yield layer / "python"
        yield from (layer / "python" / "lib").glob("python3.*/site-packages")


def _brings_sdk(root: Path) -> bool:
    return any((root / name).exists() for name in ("boto3", "botocore", "boto3.py", "botocore.py"))


def _sources(code: Path) -> Iterator[Path]:
    """Python files, those nearest to the root first."""
    pending = [code]
    while pending:
        below: list[Path] = []
        for directory in pending:
            try:
                entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(Path(entry.path))
                elif entry.name.endswith(".py"):
                    yield Path(entry.path)
        pending = below
