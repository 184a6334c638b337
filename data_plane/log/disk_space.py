"""Disk full, three marks (durability.md 2): warn, refuse client writes, and a ballast to live on.

Reads, DeleteTopics and DeleteRecords work at every mark. The ballast is a preallocated file; giving
it up makes room for the quorum, retention and compaction, which are what frees the disk. A small
reserve is kept beyond that for a start on a disk that something else has filled meanwhile.
"""

from enum import IntEnum
from pathlib import PurePath

from data_plane.log.files import DiskSpace, Files

WARN_SHARE = 10  # One tenth free.
REFUSE_SHARE = 20  # One twentieth free, and at least:
REFUSE_BYTES_MIN = 256 << 20
BALLAST_BYTES = 64 << 20
BALLAST_NAME = "ballast"
RESERVE_BYTES = 1 << 20  # a start writes some pages
RESERVE_SHARE = 64
RESERVE_NAME = "reserve"


class DiskMark(IntEnum):
    """How full the disk is; each mark includes what the one before asks."""

    OK = 0
    WARN = 1  # tell somebody
    FULL = 2  # refuse client writes with KAFKA_STORAGE_ERROR, stop follower fetches


def mark_of(space: DiskSpace) -> DiskMark:
    """Judge free against total bytes. On a tiny disk the floor is a quarter, not all of it."""
    floor = min(REFUSE_BYTES_MIN, space.total_bytes // 4)
    refuse_below = max(space.total_bytes // REFUSE_SHARE, floor)
    if space.free_bytes < refuse_below:
        return DiskMark.FULL
    if space.free_bytes < max(space.total_bytes // WARN_SHARE, refuse_below):
        return DiskMark.WARN
    return DiskMark.OK


def within(space: DiskSpace, bytes_max: int | None, used_bytes: int) -> DiskSpace:
    """Return the smaller of a disk and a plan's share of it, of which `used_bytes` are taken."""
    if bytes_max is None:
        return space
    free_bytes = min(space.free_bytes, max(0, bytes_max - used_bytes))
    return DiskSpace(free_bytes, min(space.total_bytes, bytes_max))


def make_room(files: Files, root: PurePath) -> None:
    """Before a start writes anything: give up what was put by, if nothing else is left."""
    for name in (RESERVE_NAME, BALLAST_NAME):
        if files.space(root).free_bytes < RESERVE_BYTES and files.exists(root / name):
            files.remove(root / name)


class DiskGauge:
    """The mark of one data directory, and its ballast."""

    def __init__(self, files: Files, root: PurePath, bytes_max: int | None = None) -> None:
        self._files, self._root, self._bytes_max = files, root, bytes_max
        self._ballast = root / BALLAST_NAME
        self.mark = DiskMark.OK
        self.space = files.space(root)

    def update(self, used_bytes: int) -> DiskMark:
        """Measure again; give the ballast up when the disk is full, take it back when it is not."""
        disk = self._files.space(self._root)
        self.space = within(disk, self._bytes_max, used_bytes)
        self.mark = mark_of(self.space)
        has_ballast = self._files.exists(self._ballast)
        if mark_of(disk) == DiskMark.FULL and has_ballast:
            self._files.remove(self._ballast)
        elif self.mark == DiskMark.OK:
            self._take_reserve(disk)
            if not has_ballast:
                self._take_ballast(disk)
        return self.mark

    def _take_reserve(self, disk: DiskSpace) -> None:
        path = self._root / RESERVE_NAME
        if not self._files.exists(path):
            self._files.allocate(path, min(RESERVE_BYTES, disk.total_bytes // RESERVE_SHARE))

    def _take_ballast(self, disk: DiskSpace) -> None:
        """Reserve it only where it does not itself bring the disk near a mark."""
        size_bytes = min(BALLAST_BYTES, disk.total_bytes // 16)
        if mark_of(DiskSpace(disk.free_bytes - 2 * size_bytes, disk.total_bytes)) == DiskMark.OK:
            self._files.allocate(self._ballast, size_bytes)
