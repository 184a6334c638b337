"""The note of the active segment: recovery reads on behind it, and never believes a wrong one."""

import random

import pytest

from data_plane.log.failures import DamagedLog
from data_plane.log.log_config import CHECKPOINT_BYTES_MAX, LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.log.resume import NAME, read_resume_point
from data_plane.log.segment import LOG, segment_path
from data_plane.protocol.records.control import MarkerType
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
from tests.unit.data_plane.log.test_transactions import marker_batch

CONFIG = LogConfig(segment_bytes=8_000, index_interval_bytes=150)
NOTE = DIRECTORY / NAME


def batch(
    sequence: int, producer_id: int = 9, *, is_transactional: bool = False, size: int = 60
) -> memoryview:
    return client_batch(
        [b"v" * size] * 2, producer_id=producer_id, producer_epoch=0, sequence=2 * sequence,
        timestamps_ms=[NOW_MS + sequence, NOW_MS], is_transactional=is_transactional,
    )  # fmt: skip


def fill(log: PartitionLog, batches: range, *, syncs: int = 5) -> None:
    """Append idempotent batches, an epoch for each seven of them, with a sync after each few."""
    for sequence in batches:
        append(log, batch(sequence), leader_epoch=sequence // 7)
        if sequence % syncs == 0:
            sync(log)


def derived(log: PartitionLog) -> list[object]:
    """All that recovery makes of the batches, as the log's files would have it."""
    [*_, active] = log.segments
    state = active.state()
    assert state is not None
    return [
        state[:6],  # all but the indexes
        *(list(one) for one in (*state.offset_index.arrays, *state.time_index.arrays)),
        list(state.txn_index),
        log._epochs.entries,
        dict(log.producers.items()),
        dict(log.producers.open_transactions),
        log.first_unstable_offset,
        (log.log_start_offset, log.log_end_offset, log.synced_offset, log.size_bytes),
    ]


def reopened_both_ways(files: MemoryFiles) -> tuple[PartitionLog, PartitionLog]:
    """Return the log as recovered with the note and, from a copy, without it."""
    bare = files.copy()
    bare.remove(NOTE)
    return reopen(files, CONFIG), reopen(bare, CONFIG)


def watched_reads(files: MemoryFiles, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the positions at which the first segment's file will have been read."""
    positions: list[int] = []
    file = files.open(segment_path(DIRECTORY, 0, LOG))
    read = file.read

    def noting(position: int, size_bytes: int) -> bytes:
        positions.append(position)
        return read(position, size_bytes)

    monkeypatch.setattr(file, "read", noting)
    return positions


def test_a_checkpoint_is_due_four_times_in_a_small_segment() -> None:
    assert LogConfig().checkpoint_bytes == CHECKPOINT_BYTES_MAX
    assert LogConfig(segment_bytes=4_000).checkpoint_bytes == 1_000


@pytest.mark.parametrize("end", range(12, 45))
def test_what_is_recovered_behind_the_note_is_what_a_whole_scan_recovers(end: int) -> None:
    """Indexes, epochs, producers, at every length of a segment: the same with and without it."""
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(end))
    assert files.exists(NOTE)
    files.kill()
    with_note, without = reopened_both_ways(files)
    assert derived(with_note) == derived(without)
    assert read_all(with_note) == read_all(without)
    assert append(with_note, batch(end), leader_epoch=99) == [2 * end]


def test_what_lies_before_the_note_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its batches are judged when somebody reads them, like those of a closed segment."""
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(30))
    files.kill()
    point = read_resume_point(files, DIRECTORY, reopen(files.copy(), CONFIG).segments[-1])
    assert point is not None
    assert 0 < point.offset <= log.synced_offset
    positions = watched_reads(files, monkeypatch)
    again = reopen(files, CONFIG)
    assert again.log_end_offset == 60
    assert min(positions) >= point.segment.size_bytes - 1_000


def test_a_log_that_ends_within_the_last_batch_of_the_note_is_damaged() -> None:
    """All of that was synced; the note does not make it whole again."""
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(24))
    point = read_resume_point(files, DIRECTORY, log.segments[-1])
    assert point is not None
    files.kill()
    files.open(segment_path(DIRECTORY, 0, LOG)).truncate(point.segment.size_bytes - 1)
    with pytest.raises(DamagedLog):
        reopen(files, CONFIG)


def test_open_and_aborted_transactions_come_back_with_the_note() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)

    def open_transaction(producer_id: int, sequence: int) -> None:
        begun = batch(sequence, producer_id, is_transactional=True)
        log.stage(begun, leader_epoch=9, now_ms=NOW_MS, is_verified=True)
        log.write()

    def abort(producer_id: int) -> None:
        marker = marker_batch(producer_id, MarkerType.ABORT)
        log.stage(marker, leader_epoch=9, now_ms=NOW_MS, is_client=False)
        log.write()

    fill(log, range(3))
    open_transaction(5, 0)
    open_transaction(6, 0)
    abort(5)
    for sequence in range(3, 20):
        append(log, batch(sequence), leader_epoch=9)
    sync(log)
    point = read_resume_point(files, DIRECTORY, log.segments[-1])
    assert point is not None
    assert list(point.producers.open_transactions) == [6]
    assert len(point.segment.txn_index) == 1
    abort(6)
    open_transaction(5, 1)
    files.kill()
    with_note, without = reopened_both_ways(files)
    for one in (with_note, without):
        one.forget_decided(one.log_end_offset)
    assert derived(with_note) == derived(without)
    assert [one.producer_id for one in with_note.all_aborted_transactions()] == [5, 6]
    assert list(with_note.producers.open_transactions) == [5]


def test_a_note_is_of_no_use_once_its_batches_were_replaced() -> None:
    """Cut below it, then written anew by another leader, while the disk has no room for notes."""
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(20))
    stale = bytes(files.open(NOTE).content)
    log.truncate_to(8)
    for sequence in range(4, 30):
        append(log, batch(sequence, size=61), leader_epoch=50 + sequence // 7)
    sync(log)
    note = files.open(NOTE)
    note.truncate(0)
    note.append([stale], len(stale))
    written = read_all(log)
    files.kill()
    with_note, without = reopened_both_ways(files)
    assert derived(with_note) == derived(without)
    assert read_all(with_note) == written


def test_a_note_above_the_recovery_point_is_not_believed() -> None:
    """Cut and written again to the byte, but not synced: a checksum has to be compared."""
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(20))
    point = read_resume_point(files, DIRECTORY, log.segments[-1])
    assert point is not None
    log.truncate_to(8)
    for sequence in range(4, 20):
        append(log, batch(sequence), leader_epoch=sequence // 7)
    path = segment_path(DIRECTORY, 0, LOG)
    files.open(path).content[4 * 200 + 150] ^= 1  # The power took a byte of what was written anew.
    files.kill()
    again = reopen(files, CONFIG)
    assert 8 <= again.log_end_offset < point.offset


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_note_is_a_missing_one(seed: int) -> None:
    rng = random.Random(seed)
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(24))
    whole = bytes(files.open(NOTE).content)
    files.kill()
    _, without = reopened_both_ways(files.copy())
    for _ in range(40):
        copy = files.copy()
        content = copy.open(NOTE).content
        if rng.random() < 0.5:
            content[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        else:
            del content[rng.randrange(len(whole)) :]
        assert derived(reopen(copy, CONFIG)) == derived(without)


def test_any_power_loss_leaves_a_note_that_fits_or_none() -> None:
    """Un-synced, it may be missing, older, or cut: what was synced is there all the same."""
    for seed in range(60):
        files = memory_files()
        log = new_log(files, CONFIG)
        rng = random.Random(seed)
        fill(log, range(rng.randrange(15, 60)), syncs=rng.randrange(2, 6))
        written, synced = read_all(log), log.synced_offset
        files.crash(rng)
        again = reopen(files, CONFIG)
        survived = read_all(again)
        assert survived == written[: len(survived)]
        assert again.log_end_offset >= synced
        bare = files.copy()
        if bare.exists(NOTE):
            bare.remove(NOTE)
        assert derived(reopen(bare, CONFIG)) == derived(again)


def test_a_full_disk_keeps_the_older_note() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(14))
    before = bytes(files.open(NOTE).content)
    files.fail("append", 28, NAME + ".tmp", times=100)
    fill(log, range(14, 36))
    files.faults.clear()
    assert bytes(files.open(NOTE).content) == before
    files.kill()
    with_note, without = reopened_both_ways(files)
    assert derived(with_note) == derived(without)


def test_a_truncation_replays_producers_from_the_note_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(30))
    point = read_resume_point(files, DIRECTORY, log.segments[-1])
    assert point is not None
    bare = files.copy()
    bare.remove(NOTE)
    plain = reopen(bare, CONFIG)
    positions = watched_reads(files, monkeypatch)
    log.truncate_to(point.offset + 2)
    assert min(positions) >= point.segment.size_bytes - 1_000
    plain.truncate_to(point.offset + 2)
    assert dict(log.producers.items()) == dict(plain.producers.items())
    known = log.producers.get(9)
    assert known is not None
    assert known.batches[-1].last_offset == log.log_end_offset - 1


def test_a_clean_close_leaves_a_note_for_a_kill_after_the_next_start() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(24), syncs=10**9)
    log.close(is_clean=True)
    again = reopen(files, CONFIG, was_clean=True)
    append(again, batch(24), leader_epoch=9)
    files.kill()
    point = read_resume_point(files, DIRECTORY, again.segments[-1])
    assert point is not None
    assert point.offset == 48
    with_note, without = reopened_both_ways(files)
    assert derived(with_note) == derived(without)


def test_a_closed_segment_takes_its_note_along() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    fill(log, range(30))
    assert files.exists(NOTE)
    log.roll()
    sync(log)
    assert not files.exists(NOTE)
