"""Unpack an archive that somebody sent: nothing outside its directory, no surprise in size, readable by others.

Runs in a thread. Errors are faults with AWS's texts.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from freehold.kit.faults import Fault
from freehold.services.lambda_.limits import MAX_FILES, MAX_UNZIPPED

_PIECE = 1 << 20


def bad_archive() -> Fault:
    return Fault(
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
        Type="User",
    )


def too_large() -> Fault:
    return Fault(
        "InvalidParameterValueException", f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes", Type="User"
    )


def unzipped_size(archive: IO[bytes]) -> int:
    """The size of everything in a zip archive by its directory; faults for what is no archive, empty, or too large."""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise bad_archive() from error
    if not any(not entry.is_dir() for entry in entries):
        raise Fault("InvalidParameterValueException", "Uploaded file must be a non-empty zip", Type="User")
    if len(entries) > MAX_FILES:
        raise bad_archive()
    size = sum(entry.file_size for entry in entries)
    if size >= MAX_UNZIPPED:
        raise too_large()
    return size


def unpack(archive: IO[bytes], target: Path) -> None:
    """Unpack a zip archive into the new directory `target`, which appears complete or not at all."""
    building = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o755)
    building.chmod(0o755)
    try:
        with zipfile.ZipFile(archive) as opened:
            left = MAX_UNZIPPED
            for entry in opened.infolist():
                left -= _unpack_entry(opened, entry, building, left)
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise bad_archive() from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _unpack_entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, left: int) -> int:
    """Write one entry; how many bytes it had."""
    path = _inside(root, entry.filename)
    mode = entry.external_attr >> 16
    if entry.is_dir():
        _directory(root, path)
        return 0
    _directory(root, path.parent)
    if stat.S_ISLNK(mode):
        _link(opened, entry, root, path)
        return entry.file_size
    if path.is_symlink() or path.exists():
        if path.is_dir() and not path.is_symlink():
            raise bad_archive()
        path.unlink()
    written = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file, opened.open(entry) as source:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > left:
                raise too_large()
            file.write(piece)
        # Readable by the instance's own user whatever the archive says; executable where the archive says so.
        os.fchmod(file.fileno(), 0o755 if mode & 0o111 else 0o644)
    return written


def _inside(root: Path, name: str) -> Path:
    """The path of an entry below `root`; refuses absolute names, `..` and anything below a link."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\x00" in name:
        raise bad_archive()
    path = root
    for part in parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise bad_archive()
    return path / parts[-1]


def _directory(root: Path, path: Path) -> None:
    missing = []
    while path != root and not path.is_dir():
        if path.is_symlink() or path.exists():
            raise bad_archive()
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir()
        directory.chmod(0o755)


def _link(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, path: Path) -> None:
    """A symbolic link is kept where it stays inside the package; npm and shared libraries ship such links."""
    if entry.file_size > 4096:
        raise bad_archive()
    aim = opened.read(entry).decode("utf-8", "surrogateescape")
    landing = os.path.normpath(os.path.join(os.path.relpath(path.parent, root), aim))
    if os.path.isabs(aim) or landing == ".." or landing.startswith("../") or "\x00" in aim:
        raise bad_archive()
    if path.is_symlink() or path.exists():
        raise bad_archive()
    os.symlink(aim, path)
