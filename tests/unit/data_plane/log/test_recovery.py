"""After any stop: what survives is a prefix, it holds all that was synced, and indexes fit it."""

import random
from collections.abc import Callable
from pathlib import PurePath

import pytest

from data_plane.log.failures import DamagedLog, LostLog
from data_plane.log.leader_epochs import LeaderEpochs
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.log.producer_state import ProducerStates
from data_plane.log.resume import NAME as NOTE
from data_plane.log.side_files import write_epochs, write_snapshot
from data_plane.protocol.errors import OutOfOrderSequence
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

CONFIG = LogConfig(segment_bytes=1200, index_interval_bytes=150)


def log_path(base_offset: int) -> PurePath:
    return DIRECTORY / f"{base_offset:020d}.log"


def idempotent(sequence: int, size: int = 60) -> memoryview:
    return client_batch(
        [b"v" * size] * 2, producer_id=9, producer_epoch=0, sequence=2 * sequence,
        timestamps_ms=[NOW_MS + sequence, NOW_MS],
    )  # fmt: skip


def filled(files: MemoryFiles, batches: int) -> PartitionLog:
    log = new_log(files, CONFIG)
    for sequence in range(batches):
        append(log, idempotent(sequence), leader_epoch=sequence // 4)
    return log


def check_whole(log: PartitionLog, written: list[bytes]) -> None:
    """The log is a prefix of what was written, and everything derived fits exactly that."""
    survived = read_all(log)
    assert survived == written[: len(survived)]
    assert log.log_end_offset == log.synced_offset == 2 * len(survived)
    known = log.producers.get(9)
    window = [b.base_offset for b in known.batches] if known else []
    assert window == [2 * i for i in range(len(survived))][-5:]
    assert log.leader_epoch == (len(survived) - 1) // 4
    for i in range(len(survived)):
        assert log.offset_for_timestamp(NOW_MS + i, 10**9) == (2 * i, NOW_MS + i, i // 4)
    next_batch = idempotent(len(survived))
    assert append(log, next_batch, leader_epoch=99) == [2 * len(survived)]


@pytest.mark.semantics("95a", "95b")
def test_a_torn_tail_is_cut_at_every_byte_of_the_last_three_batches() -> None:
    """Goal: the recovered log is the longest prefix of whole batches. Method: every cut."""
    files = memory_files()
    log = filled(files, 13)
    written = read_all(log)
    base = log.segment_base_offsets[-1]
    in_active = [len(w) for i, w in enumerate(written) if 2 * i >= base]
    assert len(in_active) >= 3
    total = sum(in_active)
    for kept_bytes in range(total - sum(in_active[-3:]), total + 1):
        copy = files.copy()
        copy.open(log_path(base)).truncate(kept_bytes)
        again = reopen(copy, CONFIG)
        whole, at = 0, 0
        while whole < len(in_active) and at + in_active[whole] <= kept_bytes:
            at += in_active[whole]
            whole += 1
        assert again.log_end_offset == base + 2 * whole
        assert copy.open(log_path(base)).size_bytes() == at
        check_whole(again, written)


@pytest.mark.semantics("95b")
@pytest.mark.parametrize("garbage", [b"\0" * 500, b"\xff" * 61, b"x", bytes(60)])
def test_garbage_after_the_last_batch_is_cut(garbage: bytes) -> None:
    files = memory_files()
    log = filled(files, 13)
    written = read_all(log)
    files.open(log_path(log.segment_base_offsets[-1])).append([garbage], len(garbage))
    again = reopen(files, CONFIG)
    assert again.log_end_offset == 26
    check_whole(again, written)


@pytest.mark.parametrize("seed", range(150))
def test_power_loss_keeps_a_prefix_with_all_that_was_synced(seed: int) -> None:
    """Seeded turns, syncs, truncations; then lost pages. One case: -k "[<seed>]"."""
    rng = random.Random(seed)
    files = memory_files()
    log = new_log(files, CONFIG)
    sync(log)
    sequence = 0
    for _ in range(rng.randint(1, 60)):
        match rng.random():
            case p if p < 0.7:
                turn = [idempotent(sequence + i) for i in range(rng.randint(1, 4))]
                append(log, *turn, leader_epoch=max(log.leader_epoch, sequence // 4))
                sequence += len(turn)
            case p if p < 0.85:
                sync(log)
            case p if p < 0.9:
                log.sync_ticket().run()  # Durable, but nobody was told.
            case p if p < 0.95:
                log.roll()
            case _:
                log.truncate_to(rng.randint(log.log_end_offset // 2, log.log_end_offset))
                sequence = log.log_end_offset // 2
    written, synced = read_all(log), log.synced_offset
    files.crash(rng if rng.random() < 0.7 else None)
    again = reopen(files, CONFIG)
    survived = read_all(again)
    assert again.log_end_offset >= synced
    kept = synced // 2
    assert survived[:kept] == written[:kept]
    if survived != written[: len(survived)]:
        # A truncation that was not synced may come back, but only above what was synced.
        assert again.log_end_offset > synced
    known = again.producers.get(9)
    assert bool(known) == bool(survived)
    assert append(again, client_batch(), leader_epoch=99) == [again.log_end_offset - 1]


@pytest.mark.parametrize("seed", range(60))
def test_a_killed_process_loses_nothing_that_was_written(seed: int) -> None:
    rng = random.Random(seed)
    files = memory_files()
    log = filled(files, rng.randint(1, 40))
    if rng.random() < 0.5:
        sync(log)
    written = read_all(log)
    files.kill()
    again = reopen(files, CONFIG)
    assert len(read_all(again)) == len(written)
    check_whole(again, written)


def corrupt_missing(files: MemoryFiles, path: PurePath) -> None:
    files.remove(path)


def corrupt_cut(files: MemoryFiles, path: PurePath) -> None:
    files.open(path).truncate(max(0, files.size_bytes(path) - 3))


def corrupt_garbage(files: MemoryFiles, path: PurePath) -> None:
    size = files.size_bytes(path)
    file = files.open(path)
    file.truncate(0)
    file.append([bytes(range(256))[:size] + b"\x7f" * max(0, size - 256)], size)


def corrupt_plausible(files: MemoryFiles, path: PurePath) -> None:
    """Entries that grow and stay in range, but name no batch."""
    file = files.open(path)
    content = bytearray(file.read(0, file.size_bytes()))
    for at in range(3, len(content), 8 if path.suffix == ".index" else 12):
        content[at] ^= 1
    file.truncate(0)
    file.append([bytes(content)], len(content))


@pytest.mark.semantics("95c")
@pytest.mark.parametrize("was_clean", [True, False])
@pytest.mark.parametrize("suffix", [".index", ".timeindex", ".snapshot"])
@pytest.mark.parametrize(
    "corrupt", [corrupt_missing, corrupt_cut, corrupt_garbage, corrupt_plausible]
)
def test_side_files_are_rebuilt_when_missing_or_off(
    corrupt: Callable[[MemoryFiles, PurePath], None], suffix: str, was_clean: bool
) -> None:
    """Every such file at once, after a clean stop and after a kill."""
    files = memory_files()
    log = filled(files, 30)
    written = read_all(log)
    sync(log)
    log.close(is_clean=was_clean)
    for name in files.list_names(DIRECTORY):
        if name.endswith(suffix):
            corrupt(files, DIRECTORY / name)
    again = reopen(files, CONFIG, was_clean=was_clean)
    check_whole(again, written)


@pytest.mark.semantics("95c")
@pytest.mark.parametrize("was_clean", [True, False])
@pytest.mark.parametrize("name", ["leader-epoch-checkpoint", "checkpoint"])
@pytest.mark.parametrize("content", [None, b"", b"0\n9\n", b"\xff\xfe", b"garbage\n" * 9])
def test_notes_are_rebuilt_when_missing_or_off(
    content: bytes | None, name: str, was_clean: bool
) -> None:
    files = memory_files()
    log = filled(files, 30)
    written = read_all(log)
    sync(log)
    log.close(is_clean=was_clean)
    if content is None:
        files.remove(DIRECTORY / name)
    else:
        file = files.open(DIRECTORY / name)
        file.truncate(0)
        file.append([content], len(content))
    check_whole(reopen(files, CONFIG, was_clean=was_clean), written)


def test_a_clean_restart_reads_no_batch() -> None:
    files = memory_files()
    log = filled(files, 30)
    log.close(is_clean=True)
    files.fail("read", 5, ".log", times=10**6)
    again = reopen(files, CONFIG, was_clean=True)
    assert (again.log_end_offset, again.synced_offset, again.leader_epoch) == (60, 60, 7)
    known = again.producers.get(9)
    assert known is not None
    assert len(known.batches) == 5
    files.faults.clear()
    assert len(read_all(again)) == 30


def test_recovery_does_not_read_what_lies_below_the_recovery_point() -> None:
    files = memory_files()
    log = filled(files, 30)
    sync(log)
    first = log_path(log.segment_base_offsets[0])
    files.fail("read", 5, first.name, times=10**6)
    assert reopen(files, CONFIG).log_end_offset == 60


def test_a_clean_mark_that_the_files_contradict_is_not_believed() -> None:
    """Closed cleanly, then somebody cut the file: the scan finds the prefix, or damage."""
    files = memory_files()
    log = filled(files, 4)
    log.close(is_clean=True)
    file = files.open(log_path(log.segment_base_offsets[-1]))
    file.truncate(file.size_bytes() - 1)
    with pytest.raises(DamagedLog):
        reopen(files, CONFIG, was_clean=True)


@pytest.mark.parametrize("place", ["length", "magic", "crc", "attributes", "payload", "base"])
def test_a_flipped_bit_ends_an_unsynced_log_and_damages_a_synced_one(place: str) -> None:
    """Above the recovery point a flip ends the log; below it the partition is damaged."""
    at = {"base": 7, "length": 11, "magic": 16, "crc": 18, "attributes": 22, "payload": 80}[place]
    files = memory_files()
    log = filled(files, 13)
    written = read_all(log)
    base = log.segment_base_offsets[-1]
    content = files.open(log_path(base)).content
    content[len(written[base // 2]) + at] ^= 0x40  # In the second batch of the last segment.
    unsynced = files.copy()
    again = reopen(unsynced, CONFIG)
    assert again.log_end_offset == base + 2
    check_whole(again, written)

    files = memory_files()
    log = filled(files, 13)
    log.close(is_clean=True)
    files.open(log_path(base)).content[len(written[base // 2]) + at] ^= 0x40
    again = reopen(files.copy(), CONFIG, was_clean=False)
    with pytest.raises(DamagedLog):  # Recovery goes on behind it, and leaves it to the reader.
        read_all(again)
    files.remove(DIRECTORY / NOTE)
    if place in ("length", "magic", "base"):  # The checksum of synced bytes is the reader's.
        with pytest.raises(DamagedLog):
            reopen(files, CONFIG, was_clean=False)


def test_a_segment_that_is_missing_in_the_middle_ends_the_log_or_is_damage() -> None:
    files = memory_files()
    log = filled(files, 40)
    written = read_all(log)
    bases = log.segment_base_offsets
    copy = files.copy()
    copy.remove(log_path(bases[2]))
    again = reopen(copy, CONFIG)
    assert again.log_end_offset == bases[2]
    assert read_all(again) == written[: bases[2] // 2]
    assert again.segment_base_offsets == bases[:2]

    sync(log)  # Now the recovery point lies beyond.
    files.remove(log_path(bases[-1]))
    with pytest.raises(DamagedLog):
        reopen(files, CONFIG)


def test_a_directory_without_segments_is_lost_and_not_new() -> None:
    files = memory_files()
    filled(files, 3)
    files.remove(log_path(0))
    with pytest.raises(LostLog):
        reopen(files, CONFIG)
    files.remove_tree(DIRECTORY)
    with pytest.raises(LostLog):
        reopen(files, CONFIG)


def test_an_unreadable_disk_damages_the_partition_only() -> None:
    files = memory_files()
    filled(files, 3)
    files.fail("read", 5, ".log")
    with pytest.raises(DamagedLog):
        reopen(files, CONFIG)


def test_recovery_on_a_full_disk_serves_and_is_repeated_next_time() -> None:
    files = memory_files()
    written = read_all(filled(files, 13))
    files.capacity_bytes = 0
    files.kill()
    again = reopen(files, CONFIG)
    assert read_all(again) == written
    files.capacity_bytes = 1 << 30
    check_whole(reopen(files, CONFIG), written)


def test_deleted_records_stay_deleted_when_the_rest_is_lost() -> None:
    """The start had passed what a power loss took away: its offsets are not given out again."""
    files = memory_files()
    log = filled(files, 4)
    sync(log)
    append(log, idempotent(4), idempotent(5))
    log.delete_records_before(11)
    files.open(DIRECTORY / "checkpoint").sync()
    files.sync_directory(DIRECTORY)
    files.crash()
    again = reopen(files, CONFIG)
    assert (again.log_start_offset, again.log_end_offset) == (11, 11)
    assert append(again, client_batch()) == [11]


@pytest.mark.semantics("23a")
def test_restart_restores_the_window_of_every_producer() -> None:
    for is_clean in (True, False):
        files = memory_files()
        log = filled(files, 20)
        log.close(is_clean=is_clean)
        again = reopen(files, CONFIG, was_clean=is_clean)
        for sequence in range(15, 20):
            repeated = again.stage(idempotent(sequence), leader_epoch=9, now_ms=NOW_MS)
            assert (repeated.is_duplicate, repeated.base_offset) == (True, 2 * sequence)
        with pytest.raises(OutOfOrderSequence):
            again.stage(idempotent(14), leader_epoch=9, now_ms=NOW_MS)
        assert append(again, idempotent(20), leader_epoch=9) == [40]


def test_a_killed_log_that_held_nothing_new_is_written_to_safely() -> None:
    """Its last roll had not been synced: what is synced after the restart must survive even so."""
    files = memory_files()
    log = new_log(files, CONFIG)
    append(log, idempotent(0))
    log.close(is_clean=True)
    again = reopen(files, CONFIG, was_clean=True)
    again.roll()
    files.kill()
    last = reopen(files, CONFIG)
    append(last, idempotent(1))
    sync(last)
    files.crash()
    assert len(read_all(reopen(files, CONFIG))) == 2


def test_a_killed_log_that_held_nothing_new_writes_nothing() -> None:
    files = memory_files()
    filled(files, 5).close(is_clean=True)
    reopen(files, CONFIG, was_clean=True)
    before = files.changes
    reopen(files, CONFIG)
    assert files.changes - before == 1  # The directory is synced.


def test_a_snapshot_of_a_history_that_was_cut_off_is_never_used() -> None:
    """A roll at 6, cut off again; the power goes before the removal of its files is durable."""
    files = memory_files()
    log = new_log(files, LogConfig())
    for sequence in range(4):
        append(log, idempotent(sequence))
    write_epochs(files, DIRECTORY, LeaderEpochs())
    write_snapshot(files, DIRECTORY, 6, ProducerStates())
    for _ in range(2):
        log.close(is_clean=False)
        log = reopen(files, LogConfig(), was_clean=False)
        known = log.producers.get(9)
        assert known is not None
        assert [batch.base_offset for batch in known.batches] == [0, 2, 4, 6]
    log.truncate_to(6)
    known = log.producers.get(9)
    assert known is not None
    assert [batch.base_offset for batch in known.batches] == [0, 2, 4]


@pytest.mark.parametrize("is_power_lost", [False, True])
def test_gaps_that_a_leader_has_compacted_survive_in_a_follower(is_power_lost: bool) -> None:
    """A follower compacts nothing itself: that offsets may be missing it knows by its leader alone.

    Method: a leader's batches, one in the middle left out, copied, synced and opened again.
    """
    leader = filled(memory_files(), 6)
    batches = read_all(leader)
    files = memory_files()
    log = new_log(files, CONFIG)
    for batch in (*batches[:2], *batches[3:]):
        log.stage_replicated(memoryview(batch), leader_epoch=leader.leader_epoch, now_ms=NOW_MS)
        log.write()
    assert log.log_end_offset == leader.log_end_offset
    sync(log)
    if is_power_lost:
        files.crash(random.Random(1))
    again = reopen(files, CONFIG)
    assert read_all(again) == [*batches[:2], *batches[3:]]
    assert again.log_end_offset == again.synced_offset == leader.log_end_offset
