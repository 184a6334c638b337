"""The three marks of a disk that fills, and the ballast that keeps the broker able to free it."""

from pathlib import PurePath

import pytest

from data_plane.log.disk_space import (
    BALLAST_BYTES,
    RESERVE_BYTES,
    RESERVE_NAME,
    DiskGauge,
    DiskMark,
    make_room,
    mark_of,
    within,
)
from data_plane.log.files import DiskSpace
from data_plane.log.memory_files import MemoryFiles

MIB, GIB = 1 << 20, 1 << 30
KEPT_BYTES = BALLAST_BYTES + RESERVE_BYTES


@pytest.mark.parametrize(
    ("free", "total", "mark"),
    [
        (100 * GIB, 100 * GIB, DiskMark.OK),
        (10 * GIB, 100 * GIB, DiskMark.OK),
        (10 * GIB - 1, 100 * GIB, DiskMark.WARN),
        (5 * GIB, 100 * GIB, DiskMark.WARN),
        (5 * GIB - 1, 100 * GIB, DiskMark.FULL),
        (0, 100 * GIB, DiskMark.FULL),
        (256 * MIB, 2 * GIB, DiskMark.OK),  # 256 MiB is more than a tenth of 2 GiB
        (256 * MIB - 1, 2 * GIB, DiskMark.FULL),
        (16 * MIB, 64 * MIB, DiskMark.OK),
        (16 * MIB - 1, 64 * MIB, DiskMark.FULL),
    ],
)
def test_marks(free: int, total: int, mark: DiskMark) -> None:
    assert mark_of(DiskSpace(free, total)) == mark


def test_a_plan_sees_no_more_than_its_share() -> None:
    disk = DiskSpace(80 * GIB, 100 * GIB)
    assert within(disk, None, 7 * GIB) == disk
    assert within(disk, 10 * GIB, 7 * GIB) == DiskSpace(3 * GIB, 10 * GIB)
    assert within(disk, 10 * GIB, 11 * GIB) == DiskSpace(0, 10 * GIB)
    assert within(DiskSpace(GIB, 5 * GIB), 10 * GIB, 0) == DiskSpace(GIB, 5 * GIB)


def test_the_ballast_is_given_up_when_the_disk_is_full_and_taken_back_after() -> None:
    files, root = MemoryFiles(capacity_bytes=10 * GIB), PurePath("/root")
    files.make_directory(root)
    gauge = DiskGauge(files, root)
    assert gauge.update(0) == DiskMark.OK
    assert files.free_bytes() == 10 * GIB - KEPT_BYTES
    files.allocate(root / "neighbour", 10 * GIB - KEPT_BYTES)
    assert files.free_bytes() == 0
    assert gauge.update(0) == DiskMark.FULL
    assert files.free_bytes() == BALLAST_BYTES
    assert gauge.update(0) == DiskMark.FULL
    files.remove(root / "neighbour")
    assert gauge.update(0) == DiskMark.OK
    assert files.free_bytes() == 10 * GIB - KEPT_BYTES


def test_a_full_share_of_an_empty_disk_keeps_its_ballast() -> None:
    files, root = MemoryFiles(capacity_bytes=100 * GIB), PurePath("/root")
    files.make_directory(root)
    gauge = DiskGauge(files, root, bytes_max=GIB)
    assert gauge.update(0) == DiskMark.OK
    assert gauge.update(GIB) == DiskMark.FULL
    assert files.free_bytes() == 100 * GIB - KEPT_BYTES


def test_the_ballast_never_brings_the_disk_near_a_mark() -> None:
    files, root = MemoryFiles(capacity_bytes=64 * MIB), PurePath("/root")
    files.make_directory(root)
    gauge = DiskGauge(files, root)
    assert [gauge.update(0) for _ in range(3)] == [DiskMark.OK] * 3


def test_a_start_on_a_full_disk_gives_up_what_was_put_by_for_it() -> None:
    files, root = MemoryFiles(capacity_bytes=10 * GIB), PurePath("/root")
    files.make_directory(root)
    gauge = DiskGauge(files, root)
    gauge.update(0)
    make_room(files, root)
    assert files.exists(root / RESERVE_NAME), "there is room"
    files.allocate(root / "neighbour", files.free_bytes())
    make_room(files, root)
    assert files.free_bytes() == RESERVE_BYTES, "the ballast is for later"
    make_room(files, root)
    files.allocate(root / "another", files.free_bytes())
    make_room(files, root)
    assert files.free_bytes() == BALLAST_BYTES
    make_room(files, root)
