"""The door to the file system, real and in memory: the same calls, the same answers."""

import errno
import os
import random
from pathlib import Path, PurePath

import pytest

from data_plane.log.failures import DirectoryRefused
from data_plane.log.files import (
    IOVECS_MAX,
    DiskFiles,
    Files,
    read_whole,
    replace_unsynced,
    write_atomically,
)
from data_plane.log.journal_files import Journal, JournalFiles
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from tests.factories.record_batches import NOW_MS, append, client_batch, read_all, sync


@pytest.fixture(params=["disk", "journal", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Files, PurePath]:
    if request.param == "disk":
        return DiskFiles(open_files_max=3), tmp_path
    if request.param == "journal":
        (tmp_path / "data").mkdir()
        return JournalFiles(Journal(tmp_path / "journal")), tmp_path / "data"
    files = MemoryFiles()
    files.make_directory(PurePath("/root"))
    return files, PurePath("/root")


def test_a_file_grows_at_its_end_and_is_read_anywhere(place: tuple[Files, PurePath]) -> None:
    files, root = place
    file = files.open(root / "a", create=True)
    file.append([b"hello", memoryview(b" "), bytearray(b"world")], 11)
    file.append([b"!"], 1)
    assert file.size_bytes() == files.size_bytes(root / "a") == 12
    assert (file.read(6, 5), file.read(6, 99), file.read(12, 5)) == (b"world", b"world!", b"")
    file.truncate(5)
    file.append([b"?"], 1)
    file.sync()
    assert files.open(root / "a").read(0, 99) == b"hello?"


def test_more_parts_than_one_call_takes(place: tuple[Files, PurePath]) -> None:
    files, root = place
    file = files.open(root / "a", create=True)
    parts = [b"%05d" % i for i in range(2 * IOVECS_MAX + 7)]
    file.append(parts, sum(map(len, parts)))
    assert file.read(0, 1 << 20) == b"".join(parts)


def test_names(place: tuple[Files, PurePath]) -> None:
    files, root = place
    files.make_directory(root / "d" / "e")
    files.make_directory(root / "d")
    files.open(root / "d" / "b", create=True).append([b"b"], 1)
    files.open(root / "d" / "a", create=True).append([b"a"], 1)
    assert files.list_names(root / "d") == ["a", "b", "e"]
    files.rename(root / "d" / "a", root / "d" / "b")
    assert files.open(root / "d" / "b").read(0, 9) == b"a"
    files.rename(root / "d", root / "f")
    assert not files.exists(root / "d")
    assert files.list_names(root / "f") == ["b", "e"]
    assert files.open(root / "f" / "b").read(0, 9) == b"a"
    files.sync_directory(root / "f")
    files.remove(root / "f" / "b")
    assert not files.exists(root / "f" / "b")
    files.remove_tree(root / "f")
    assert files.list_names(root) == []


def test_what_is_missing_is_said_to_be(place: tuple[Files, PurePath]) -> None:
    files, root = place
    for call in (files.open, files.size_bytes, files.list_names):
        with pytest.raises(FileNotFoundError):
            call(root / "missing")
    with pytest.raises(FileNotFoundError):
        files.open(root / "missing" / "a", create=True)
    with pytest.raises(FileNotFoundError):
        files.rename(root / "missing", root / "b")
    assert read_whole(files, root / "missing") is None


def test_small_files_are_replaced_whole(place: tuple[Files, PurePath]) -> None:
    files, root = place
    write_atomically(files, root / "note", b"first, and long")
    replace_unsynced(files, root / "note", b"second")
    assert read_whole(files, root / "note") == b"second"
    assert files.list_names(root) == ["note"]


def test_a_held_file_outlives_its_name_and_the_cache(place: tuple[Files, PurePath]) -> None:
    files, root = place
    held = files.open(root / "held", create=True)
    held.append([b"bytes"], 5)
    for i in range(9):
        files.open(root / f"other{i}", create=True)
    files.remove(root / "held")
    held.sync()
    assert held.read(0, 9) == b"bytes"


def test_one_lock_at_a_time(place: tuple[Files, PurePath]) -> None:
    files, root = place
    lock = files.lock(root / "lock")
    with pytest.raises(DirectoryRefused):
        files.lock(root / "lock")
    lock.release()
    files.lock(root / "lock").release()


def test_space_and_allocation(place: tuple[Files, PurePath]) -> None:
    files, root = place
    space = files.space(root)
    assert 0 < space.free_bytes <= space.total_bytes
    files.allocate(root / "ballast", 4096)
    assert files.exists(root / "ballast")
    files.remove(root / "ballast")
    assert not files.exists(root / "ballast")


def test_a_log_behaves_the_same_on_both(place: tuple[Files, PurePath]) -> None:
    files, root = place
    config = LogConfig(segment_bytes=900)
    log = PartitionLog.create(files, root / "p", config, now_ms=NOW_MS)
    for sequence in range(30):
        append(log, client_batch([b"v" * 90], producer_id=1, producer_epoch=0, sequence=sequence))
    sync(log)
    log.truncate_to(25)
    log.delete_records_before(8)
    written = read_all(log)
    log.close(is_clean=True)
    for was_clean in (True, False):
        again = PartitionLog.open(files, root / "p", config, was_clean=was_clean, now_ms=NOW_MS)
        assert read_all(again) == written
        assert (again.log_start_offset, again.log_end_offset) == (8, 25)
        assert len(again.segment_base_offsets) > 2


def test_descriptors_stay_within_the_cache(tmp_path: Path) -> None:
    files = DiskFiles(open_files_max=4)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for i in range(50):
        files.open(tmp_path / str(i), create=True)
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 4


@pytest.mark.parametrize("portion", [1, 3, 10])
def test_a_short_write_is_gone_on_with(
    portion: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may take a part of a write; what it left over follows, in order."""
    real = os.write
    monkeypatch.setattr(os, "writev", lambda fd, parts: real(fd, b"".join(parts)[:portion]))
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:portion]))
    file = DiskFiles().open(tmp_path / "a", create=True)
    file.append([b"hello ", b"wide ", b"world"], 16)
    assert file.read(0, 99) == b"hello wide world"


def test_a_short_read_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DiskFiles().open(tmp_path / "a", create=True)
    file.append([b"hello world"], 11)
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: real(fd, min(size, 3), at))
    assert file.read(2, 7) == b"llo wor"
    assert file.read(2, 99) == b"llo world"


def test_syncfs_where_the_kernel_has_it(tmp_path: Path) -> None:
    files = DiskFiles()
    files.open(tmp_path / "a", create=True).append([b"x"], 1)
    uname = os.uname()
    is_recent = tuple(map(int, uname.release.split(".")[:2])) >= (5, 8)
    assert files.sync_file_system(tmp_path) == (uname.sysname == "Linux" and is_recent)


def test_errors_of_a_file_system_are_heard_by_one_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One opened for each sync would miss an error that another process has been told already."""
    asked: list[int] = []

    def syncfs(descriptor: int) -> int:
        asked.append(descriptor)
        return 0

    monkeypatch.setattr("data_plane.log.files._syncfs", lambda: syncfs)
    files = DiskFiles()
    files.watch(tmp_path)
    (tmp_path / "below").mkdir()
    assert files.sync_file_system(tmp_path)
    assert files.sync_file_system(tmp_path / "below")
    assert len(set(asked)) == 1
    monkeypatch.setattr("data_plane.log.files._syncfs", lambda: lambda _fd: -1)
    with pytest.raises(OSError):
        files.sync_file_system(tmp_path)


# What only the twin can do: lose power.


def durable_place() -> tuple[MemoryFiles, PurePath]:
    files, root = MemoryFiles(), PurePath("/root")
    files.make_directory(root)
    files.sync_directory(root.parent)
    return files, root


def test_a_crash_keeps_synced_bytes_under_synced_names() -> None:
    files, root = durable_place()
    for name, is_synced in (("both", True), ("name", False)):
        file = files.open(root / name, create=True)
        file.append([b"first"], 5)
        if is_synced:
            file.sync()
    files.sync_directory(root)
    files.open(root / "both").append([b" second"], 7)
    files.open(root / "bytes", create=True).append([b"x"], 1)
    files.open(root / "bytes").sync()
    files.crash()
    assert files.list_names(root) == ["both", "name"]
    assert files.open(root / "both").read(0, 99) == b"first"
    assert files.open(root / "name").read(0, 99) == b""


def test_a_crash_brings_back_an_unsynced_rename_removal_and_truncation() -> None:
    files, root = durable_place()
    for name in "abc":
        file = files.open(root / name, create=True)
        file.append([name.encode() * 4], 4)
        file.sync()
    files.sync_directory(root)
    files.rename(root / "a", root / "z")
    files.remove(root / "b")
    files.open(root / "c").truncate(1)
    files.crash()
    assert files.list_names(root) == ["a", "b", "c"]
    assert files.open(root / "c").read(0, 9) == b"cccc"


@pytest.mark.parametrize("seed", range(30))
def test_a_torn_crash_keeps_the_durable_prefix(seed: int) -> None:
    files, root = durable_place()
    file = files.open(root / "a", create=True)
    file.append([b"d" * 50], 50)
    file.sync()
    files.sync_directory(root)
    file.append([b"u" * 50], 50)
    files.crash(random.Random(seed))
    left = files.open(root / "a").read(0, 999)
    assert left[:50] == b"d" * 50
    assert len(left) <= 100
    assert set(left[50:]) <= {0, ord("u")}


def test_after_a_failed_sync_the_next_one_lies() -> None:
    files, root = durable_place()
    file = files.open(root / "a", create=True)
    files.sync_directory(root)
    file.append([b"x"], 1)
    files.fail("sync", errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    file.append([b"y"], 1)
    file.sync()
    assert (file.read(0, 9), file.durable_prefix_bytes) == (b"xy", 0)
    files.crash()
    assert files.open(root / "a").read(0, 9) == b"\0y", "a hole where pages were dropped"
