from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from freehold.kit.faults import Fault
from freehold.services.lambda_ import unpacking


def archive(*entries: tuple[str, bytes, int]) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            opened.writestr(entry, data)
    packed.seek(0)
    return packed


def test_modes_are_readable_by_others_and_executables_stay_executable(tmp_path: Path) -> None:
    unpacking.unpack(archive(("bin/run", b"#!", 0o100700), ("lib.py", b"", 0o100600)), tmp_path / "out")
    assert (tmp_path / "out/bin/run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out/lib.py").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil"])
def test_nothing_leaves_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(Fault):
        unpacking.unpack(archive(("ok", b"", 0o644), (name, b"x", 0o644)), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_links_stay_inside_and_are_never_followed(tmp_path: Path) -> None:
    unpacking.unpack(archive(("a/real", b"x", 0o644), ("a/link", b"real", 0o120777)), tmp_path / "out")
    assert (tmp_path / "out/a/link").read_bytes() == b"x"
    for aim in (b"/etc/passwd", b"../../etc"):
        with pytest.raises(Fault):
            unpacking.unpack(archive(("a/link", aim, 0o120777)), tmp_path / "bad")
    with pytest.raises(Fault):
        unpacking.unpack(archive(("d", b".", 0o120777), ("d/file", b"x", 0o644)), tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_a_directory_that_lies_about_sizes_is_caught_while_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = archive(("big", b"\x00" * 1_000_000, 0o644))
    monkeypatch.setattr(unpacking, "MAX_UNZIPPED", 100_000)
    with pytest.raises(Fault, match="Unzipped size must be smaller than"):
        unpacking.unzipped_size(bomb)
    with pytest.raises(Fault):
        unpacking.unpack(bomb, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(Fault, match="Could not unzip uploaded file"):
        unpacking.unzipped_size(io.BytesIO(b"PK\x03\x04 but not really"))
