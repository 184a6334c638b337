"""Group commit: one cycle at a time, few files by name and many as a whole, no second try."""

import errno
from pathlib import PurePath

import pytest

from data_plane.log.failures import LogFailure
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFile, MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.log.sync import FDATASYNC_FILES_MAX, SyncTicket
from data_plane.replication.sync_cycle import SyncCycle
from tests.factories.record_batches import NOW_MS, append, client_batch
from tests.unit.data_plane.broker.world import HeldExecutor

ROOT = PurePath("/data")


class CountedFiles(MemoryFiles):
    """Counts the files that are opened."""

    opened = 0

    def open(self, path: PurePath, *, create: bool = False) -> MemoryFile:
        self.opened += 1
        return super().open(path, create=create)


class Copy:
    """A replica that is nothing but its log."""

    is_gone = False

    def __init__(self, files: MemoryFiles, index: int) -> None:
        directory = ROOT / str(index)
        files.make_directory(directory)
        self.log = PartitionLog.create(files, directory, LogConfig(), now_ms=NOW_MS)
        self.log.sync_ticket().run()

    def complete_sync(self, ticket: SyncTicket) -> None:
        self.log.complete_sync(ticket)


class Cycle:
    """A cycle over so many dirty copies, whose executor waits."""

    def __init__(self, count: int) -> None:
        self.files = CountedFiles()
        self.executor = HeldExecutor()
        self.executor.is_held = True
        self.failures: list[BaseException] = []
        self.cycles = SyncCycle(
            self.files, self.executor, on_synced=lambda: None, on_failure=self.failures.append
        )
        self.copies = [Copy(self.files, index) for index in range(count)]
        for copy in self.copies:
            append(copy.log, client_batch([b"v"]))
            self.cycles.mark(copy)
        self.files.opened = 0

    def jobs(self) -> int:
        ((work, _),) = self.executor.waiting
        return len(work)


def test_few_logs_are_synced_each_by_itself() -> None:
    cycle = Cycle(FDATASYNC_FILES_MAX)
    cycle.cycles.start()
    assert cycle.jobs() == FDATASYNC_FILES_MAX
    cycle.executor.run()
    assert all(copy.log.synced_offset == 1 for copy in cycle.copies)
    assert cycle.cycles.is_idle


def test_many_logs_are_synced_by_one_call_and_none_of_their_files_is_opened_for_it() -> None:
    """10,000 dirty partitions are more files than a process may have open."""
    cycle = Cycle(FDATASYNC_FILES_MAX + 1)
    cycle.cycles.start()
    assert cycle.jobs() == 1
    assert cycle.files.opened == 0
    cycle.executor.run()
    assert all(copy.log.synced_offset == 1 for copy in cycle.copies)
    cycle.files.crash()
    assert cycle.files.size_bytes(ROOT / "0" / f"{0:020d}.log") == cycle.copies[0].log.size_bytes


def test_many_logs_where_there_is_no_such_call_go_to_the_pool() -> None:
    cycle = Cycle(FDATASYNC_FILES_MAX + 1)
    cycle.files.has_syncfs = False
    cycle.cycles.start()
    assert cycle.jobs() == FDATASYNC_FILES_MAX + 1
    cycle.executor.run()
    assert all(copy.log.synced_offset == 1 for copy in cycle.copies)


def test_what_becomes_dirty_meanwhile_waits_for_the_next_cycle() -> None:
    cycle = Cycle(1)
    cycle.cycles.start()
    (copy,) = cycle.copies
    append(copy.log, client_batch([b"w"]))
    cycle.cycles.mark(copy)
    cycle.cycles.start()
    assert len(cycle.executor.waiting) == 1, "one cycle at a time"
    work, done = cycle.executor.waiting.pop()
    for one in work:
        one()
    done(None)
    assert copy.log.synced_offset == 1
    assert len(cycle.executor.waiting) == 1, "the next one begins by itself"
    cycle.executor.run()
    assert copy.log.synced_offset == 2


@pytest.mark.parametrize("count", [1, FDATASYNC_FILES_MAX + 1])
def test_a_failed_sync_is_told_once_and_never_tried_again(count: int) -> None:
    """fsyncgate: the second try would succeed and mean nothing (durability.md 2)."""
    cycle = Cycle(count)
    cycle.files.fail("sync" if count == 1 else "sync_file_system", errno.EIO)
    cycle.cycles.start()
    cycle.executor.run()
    (failure,) = cycle.failures
    assert isinstance(failure, LogFailure)
    assert cycle.copies[0].log.synced_offset == 0
    cycle.cycles.mark(cycle.copies[0])
    cycle.cycles.start()
    assert not cycle.executor.waiting
    assert not cycle.cycles.is_idle, "what is dirty stays so until the process ends"
