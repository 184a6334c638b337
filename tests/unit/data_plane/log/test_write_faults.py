"""A write or a sync that fails: what was promised stays, what was not is taken back whole."""

import copy
import errno

import pytest

from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.sync import FDATASYNC_FILES_MAX, SyncBatch
from data_plane.protocol.errors import ErrorCode
from tests.factories.record_batches import (
    DIRECTORY,
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    read_all,
    reopen,
    sync,
)

SMALL = LogConfig(segment_bytes=600)


def idempotent(sequence: int, producer_id: int = 4) -> memoryview:
    return client_batch([b"v" * 100], producer_id=producer_id, producer_epoch=0, sequence=sequence)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("bytes_before", [0, 1, 61, 150, 300, 500])
def test_a_full_disk_takes_the_turn_back_whole(bytes_before: int, code: int) -> None:
    """A partial write is cut off; offsets, sequences, epoch and size are as before the turn."""
    files = memory_files()
    log = new_log(files)
    append(log, idempotent(0), idempotent(0, producer_id=5), leader_epoch=1)
    written = read_all(log)
    for sequence in (1, 2):
        log.stage(idempotent(sequence), leader_epoch=2, now_ms=NOW_MS)
    log.stage(idempotent(0, producer_id=6), leader_epoch=2, now_ms=NOW_MS)
    files.fail("append", code, ".log", bytes_before=bytes_before)
    with pytest.raises(DiskFull) as caught:
        log.write()
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert read_all(log) == written
    assert (log.log_end_offset, log.leader_epoch) == (2, 1)
    assert files.size_bytes(DIRECTORY / f"{0:020d}.log") == log.size_bytes == sum(map(len, written))
    assert log.producers.get(6) is None
    # The same clients try again, with the same sequences and under the old epoch.
    assert append(log, idempotent(1), idempotent(2), leader_epoch=1) == [2, 3]
    assert len(read_all(reopen(files))) == 4


def test_a_capacity_that_runs_out_is_felt_as_a_short_write() -> None:
    files = memory_files()
    log = new_log(files)
    append(log, idempotent(0))
    files.capacity_bytes = log.size_bytes + 200
    log.stage(idempotent(1), leader_epoch=0, now_ms=NOW_MS)
    log.stage(idempotent(2), leader_epoch=0, now_ms=NOW_MS)
    with pytest.raises(DiskFull):
        log.write()
    assert log.log_end_offset == 1
    files.capacity_bytes = 1 << 30
    assert append(log, idempotent(1), idempotent(2)) == [1, 2]


def test_what_fitted_before_a_roll_stays_and_only_the_rest_goes() -> None:
    files = memory_files()
    log = new_log(files, SMALL)
    turn = [idempotent(sequence) for sequence in range(8)]
    for batch in turn:
        log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    files.fail("append", errno.ENOSPC, f"{3:020d}.log")
    with pytest.raises(DiskFull):
        log.write()
    assert log.log_end_offset == 3
    assert read_all(log) == [bytes(b) for b in turn[:3]]
    known = log.producers.get(4)
    assert known is not None
    assert known.batches[-1].last_sequence == 2
    assert append(log, *[idempotent(s) for s in range(3, 8)]) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("side", [".index", ".timeindex", ".snapshot", "leader-epoch", "rename"])
def test_a_roll_without_room_changes_nothing(side: str) -> None:
    files = memory_files()
    log = new_log(files, SMALL)
    append(log, *[idempotent(sequence) for sequence in range(3)])
    if side == "rename":
        files.fail("rename", errno.ENOSPC)
    else:
        files.fail("append", errno.ENOSPC, side)
    log.stage(idempotent(3), leader_epoch=0, now_ms=NOW_MS)
    with pytest.raises(DiskFull):
        log.write()
    assert (log.log_end_offset, list(log.segment_base_offsets)) == (3, [0])
    assert append(log, idempotent(3)) == [3]
    assert list(log.segment_base_offsets) == [0, 3]
    sync(log)
    assert len(read_all(reopen(files, SMALL))) == 4


def test_an_io_error_on_write_is_a_failure_of_the_log() -> None:
    files = memory_files()
    log = new_log(files)
    log.stage(idempotent(0), leader_epoch=0, now_ms=NOW_MS)
    files.fail("append", errno.EIO)
    with pytest.raises(LogFailure):
        log.write()
    assert log.log_end_offset == 0


def test_a_partial_write_that_cannot_be_cut_is_a_failure_of_the_log() -> None:
    files = memory_files()
    log = new_log(files)
    log.stage(idempotent(0), leader_epoch=0, now_ms=NOW_MS)
    files.fail("append", errno.ENOSPC, bytes_before=70)
    files.fail("truncate", errno.EIO)
    with pytest.raises(LogFailure):
        log.write()


@pytest.mark.semantics("98a")
@pytest.mark.parametrize(("operation", "left"), [("sync", 1), ("sync_directory", 2)])
def test_a_failed_sync_advances_nothing_and_the_bytes_may_be_gone(
    operation: str, left: int
) -> None:
    """The next sync of the kernel would lie; a restart as after power loss finds the truth."""
    files = memory_files()
    log = new_log(files)
    append(log, idempotent(0))
    sync(log)
    append(log, idempotent(1))
    log.roll()
    ticket = log.sync_ticket()
    files.fail(operation, errno.EIO)
    with pytest.raises(LogFailure):
        ticket.run()
    assert log.synced_offset == 1
    assert log.is_dirty
    files.crash()
    assert len(read_all(reopen(files))) == left


def test_synced_follows_the_ticket_and_not_the_log_end() -> None:
    files = memory_files()
    log = new_log(files)
    append(log, idempotent(0))
    ticket = log.sync_ticket()
    append(log, idempotent(1))
    ticket.run()
    assert log.complete_sync(ticket)
    assert (log.synced_offset, log.log_end_offset) == (1, 2)
    assert log.is_dirty, "the second batch came after the ticket"
    sync(log)
    assert (log.synced_offset, log.is_dirty) == (2, False)


def test_what_is_not_synced_is_counted() -> None:
    log = new_log(memory_files())
    append(log, idempotent(0))
    one = log.unsynced_bytes
    assert one == log.size_bytes > 0
    ticket = log.sync_ticket()
    append(log, idempotent(1))
    assert log.unsynced_bytes == log.size_bytes > one
    ticket.run()
    log.complete_sync(ticket)
    assert log.unsynced_bytes == log.size_bytes - one
    stale = log.sync_ticket()
    log.truncate_to(1)
    assert not log.complete_sync(stale)
    assert log.unsynced_bytes == log.size_bytes, "never less than what is there"
    sync(log)
    assert log.unsynced_bytes == 0


def test_a_ticket_from_before_a_truncation_is_dropped() -> None:
    """It covers bytes that are gone; the offsets were given out again to other records."""
    files = memory_files()
    log = new_log(files)
    append(log, *[idempotent(s) for s in range(4)])
    stale = log.sync_ticket()
    log.truncate_to(1)
    append(log, client_batch([b"other"]), client_batch([b"other"]), leader_epoch=1)
    stale.run()
    assert not log.complete_sync(stale)
    assert log.synced_offset == 0
    assert log.is_dirty
    sync(log)
    assert log.synced_offset == 3


def test_truncation_lowers_synced() -> None:
    log = new_log(memory_files())
    append(log, *[idempotent(s) for s in range(4)])
    sync(log)
    log.truncate_to(2)
    assert (log.synced_offset, log.log_end_offset) == (2, 2)


def test_a_roll_syncs_the_old_segment_and_the_directory_before_synced_passes() -> None:
    """Lose power right after each completed ticket: everything below synced is there."""
    files = memory_files()
    log = new_log(files, SMALL)
    sync(log)
    for sequence in range(12):
        append(log, idempotent(sequence))
        sync(log)
        assert end_after_power_loss(files) == log.synced_offset == sequence + 1


def end_after_power_loss(files: MemoryFiles) -> int:
    """Return the log end that a power loss now would leave; the original goes on."""
    twin = copy.deepcopy(files)
    twin.crash()
    return reopen(twin, SMALL).log_end_offset


def test_a_ticket_holds_its_files_though_retention_removes_them() -> None:
    files = memory_files()
    log = new_log(files, LogConfig(segment_bytes=600, retention_bytes=100))
    append(log, *[idempotent(s) for s in range(12)])
    ticket = log.sync_ticket()
    assert log.apply_retention(NOW_MS) > 0
    ticket.run()
    assert log.complete_sync(ticket)
    assert log.synced_offset == 12
    sync(log)
    assert not log.is_dirty


def test_many_dirty_files_are_synced_by_one_call() -> None:
    files = memory_files()
    log = new_log(files, SMALL)
    append(log, idempotent(0))
    sync(log)
    append(log, idempotent(1))
    few = SyncBatch(files, [log.sync_ticket()])
    assert len(few.tickets[0].dirty) == 1
    append(log, *[idempotent(s) for s in range(2, 20)])
    many = SyncBatch(files, [log.sync_ticket()])
    assert len(many.tickets[0].dirty) > FDATASYNC_FILES_MAX
    assert len(many.jobs) == 1
    many.run()
    assert log.complete_sync(many.tickets[0])
    files.crash()
    assert reopen(files, SMALL).log_end_offset == 20


@pytest.mark.parametrize("is_supported", [True, False])
def test_a_failed_sync_of_the_file_system_fails_the_log(is_supported: bool) -> None:
    files = memory_files()
    log = new_log(files, SMALL)
    append(log, *[idempotent(s) for s in range(20)])
    files.has_syncfs = is_supported
    batch = SyncBatch(files, [log.sync_ticket()])
    if is_supported:
        files.fail("sync_file_system", errno.EIO)
        with pytest.raises(LogFailure):
            batch.run()
    else:
        batch.run()
        assert log.complete_sync(batch.tickets[0])
        files.crash()
        assert reopen(files, SMALL).log_end_offset == 20


def test_without_syncfs_the_pool_takes_one_log_each() -> None:
    files = memory_files()
    files.has_syncfs = False
    log = new_log(files, SMALL)
    append(log, *[idempotent(s) for s in range(20)])
    assert len(SyncBatch(files, [log.sync_ticket()] * 3).jobs) == 3


def test_tickets_that_hold_no_files_are_synced_by_one_call() -> None:
    files = memory_files()
    log = new_log(files, SMALL)
    append(log, *[idempotent(s) for s in range(20)])
    ticket = log.sync_ticket(holds_files=False)
    assert not ticket.dirty
    SyncBatch(files, [ticket], is_whole=True).run()
    assert log.complete_sync(ticket)
    files.crash()
    assert reopen(files, SMALL).log_end_offset == 20


def test_a_deleted_partition_needs_no_sync() -> None:
    files = memory_files()
    log = new_log(files)
    append(log, idempotent(0))
    ticket = log.sync_ticket()
    files.remove_tree(DIRECTORY)
    files.fail("sync_directory", errno.ENOENT)
    ticket.run()
