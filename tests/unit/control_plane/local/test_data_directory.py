"""Whose directory it is: ours, new or empty; anything else is left exactly as it was."""

import stat
from pathlib import Path

import pytest

from control_plane.local.data_directory import DataDirectory, DirectoryForeign


def test_a_new_and_an_empty_one_are_ours_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)  # a file system's root
    for name in ("new", "empty", "disk"):
        data = DataDirectory(tmp_path / name)
        data.create()
        (data.root / "postgres").mkdir()
        DataDirectory(tmp_path / name).create()


def test_a_strangers_is_refused_untouched(tmp_path: Path) -> None:
    theirs = tmp_path / "home"
    theirs.mkdir(mode=0o750)
    (theirs / "thesis").write_text("mine")
    with pytest.raises(DirectoryForeign, match="holds other things"):
        DataDirectory(theirs).create()
    assert [each.name for each in theirs.iterdir()] == ["thesis"]
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o750


def test_another_layout_is_refused(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "data")
    data.create()
    (data.root / ".ottla").write_text("A data directory of Ottla, layout 99.\n")
    with pytest.raises(DirectoryForeign, match="another version"):
        data.create()
