"""The life of one partition's log without faults: offsets, reads, rolls, look-ups, shortening."""

import random

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import PowerCut
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.errors import FencedLeaderEpoch, InvalidRecord, OffsetOutOfRange
from data_plane.protocol.records.batch import check_crc, iter_batches, read_header
from tests.factories.record_batches import (
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    read_all,
    reopen,
    sync,
)

SMALL = LogConfig(segment_bytes=1000, index_interval_bytes=200)


def filled(batches: int, config: LogConfig = SMALL) -> PartitionLog:
    """A log of `batches` batches of three records, timestamps 10 ms apart."""
    log = new_log(memory_files(), config)
    for i in range(batches):
        times = [NOW_MS + 30 * i + 10 * k for k in range(3)]
        append(log, client_batch([b"%d" % i] * 3, timestamps_ms=times))
    return log


def headers_of(data: bytes) -> list[tuple[int, int]]:
    return [(h.base_offset, h.last_offset) for _, h in iter_batches(memoryview(data))]


@pytest.mark.semantics("15a", "15c")
def test_stage_gives_offsets_in_place_and_write_makes_them_readable() -> None:
    log = new_log(memory_files())
    first, second = client_batch([b"a", b"b"]), client_batch([b"c"])
    staged = [log.stage(b, leader_epoch=7, now_ms=NOW_MS) for b in (first, second)]
    assert [(s.base_offset, s.last_offset, s.record_count) for s in staged] == [
        (0, 1, 2),
        (2, 2, 1),
    ]
    assert (log.log_end_offset, log.size_bytes, log.leader_epoch) == (0, 0, -1)
    assert log.read(0, bytes_max=99, offset_limit=9, at_least_one=True).size_bytes == 0
    log.write()
    assert (log.log_end_offset, log.leader_epoch) == (3, 7)
    assert read_all(log) == [bytes(first), bytes(second)]
    header = read_header(second)
    assert (header.base_offset, header.partition_leader_epoch) == (2, 7)


def test_one_turn_costs_one_write_call() -> None:
    files = memory_files()
    log = new_log(files)
    append(log, client_batch())
    calls = []
    file = files.open(log.directory / f"{0:020d}.log")
    original = type(file).append

    def counting(self: object, parts: list[bytes], size_bytes: int) -> None:
        calls.append(len(parts))
        original(file, parts, size_bytes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(file), "append", counting)
        append(log, *[client_batch() for _ in range(5)])
    assert calls == [5]


@pytest.mark.semantics("96a")
def test_segments_roll_by_size_and_are_named_by_base_offset() -> None:
    log = filled(40)
    assert len(log.segment_base_offsets) > 3
    names = log._files.list_names(log.directory)
    logs = [n for n in names if n.endswith(".log")]
    assert logs == [f"{base:020d}.log" for base in log.segment_base_offsets]
    assert [h for data in read_all(log) for h in headers_of(data)] == [
        (i * 3, i * 3 + 2) for i in range(40)
    ]


def test_one_turn_may_cross_several_segments() -> None:
    log = new_log(memory_files(), SMALL)
    assert append(log, *[client_batch([b"x" * 300]) for _ in range(9)]) == list(range(9))
    assert len(log.segment_base_offsets) >= 4
    assert len(read_all(log)) == 9


def test_a_batch_larger_than_a_segment_gets_one_of_its_own() -> None:
    log = new_log(memory_files(), SMALL)
    append(log, client_batch([b"small"]))
    append(log, client_batch([b"x" * 5000]))
    append(log, client_batch([b"small"]))
    assert list(log.segment_base_offsets) == [0, 1, 2]


def test_segments_roll_by_age() -> None:
    log = new_log(memory_files(), LogConfig(segment_ms=1000))
    append(log, client_batch())
    append(log, client_batch(), now_ms=NOW_MS + 999)
    assert list(log.segment_base_offsets) == [0]
    append(log, client_batch(), now_ms=NOW_MS + 1000)
    assert list(log.segment_base_offsets) == [0, 2]


def test_roll_on_an_empty_segment_changes_nothing() -> None:
    log = filled(1)
    log.roll()
    log.roll()
    assert list(log.segment_base_offsets) == [0, 3]


@pytest.mark.semantics("25a")
@pytest.mark.parametrize("offset", range(60))
def test_a_read_returns_the_whole_batch_that_holds_the_offset(offset: int) -> None:
    """Also in the middle of a batch, in every segment, with and without an index entry near."""
    log = filled(20)
    data = log.read(offset, bytes_max=1, offset_limit=60, at_least_one=True).read_bytes()
    assert headers_of(data) == [(offset // 3 * 3, offset // 3 * 3 + 2)]


@pytest.mark.parametrize("bytes_max", [0, 1, 100, 144, 145, 300, 599, 600, 1000, 10_000])
def test_a_read_keeps_to_whole_batches_within_bytes_max(bytes_max: int) -> None:
    log = filled(20, LogConfig(index_interval_bytes=300))
    sizes = [len(data) for data in read_all(log)]
    for first in range(20):
        for at_least_one in (True, False):
            data = log.read(
                first * 3, bytes_max=bytes_max, offset_limit=60, at_least_one=at_least_one
            ).read_bytes()
            fitting = 0
            while first + fitting < 20 and sum(sizes[first : first + fitting + 1]) <= bytes_max:
                fitting += 1
            expected = max(fitting, int(at_least_one))
            assert headers_of(data) == [(i * 3, i * 3 + 2) for i in range(first, first + expected)]


@pytest.mark.parametrize("limit", range(61))
def test_a_read_ends_below_the_offset_limit(limit: int) -> None:
    log = filled(20, LogConfig(index_interval_bytes=300))
    for offset in (0, 1, 17, 30):
        data = log.read(offset, bytes_max=10_000, offset_limit=limit, at_least_one=True)
        whole = range(offset // 3, limit // 3) if limit > offset else range(0)
        assert headers_of(data.read_bytes()) == [(i * 3, i * 3 + 2) for i in whole]


@pytest.mark.semantics("29a", "29b")
def test_out_of_range_offsets_are_refused_and_the_end_is_empty() -> None:
    log = filled(10)
    log.delete_records_before(7)
    for offset in (-1, 6, 31):
        with pytest.raises(OffsetOutOfRange):
            log.read(offset, bytes_max=100, offset_limit=30, at_least_one=True)
    assert log.read(30, bytes_max=100, offset_limit=99, at_least_one=True).size_bytes == 0
    first = log.read(7, bytes_max=1, offset_limit=30, at_least_one=True).read_bytes()
    assert headers_of(first) == [(6, 8)]


def test_reading_along_uses_the_hint_and_not_the_file() -> None:
    """A consumer at the tail asks for the offset where the last turn began to write."""
    files = memory_files()
    log = new_log(files)
    for _ in range(100):
        append(log, client_batch([b"x" * 100]))
    files.fail("read", 5)  # Any read of the file now fails.
    end = append(log, client_batch(), client_batch())[0]
    extent = log.read(end, bytes_max=10_000, offset_limit=102, at_least_one=True)
    assert extent.size_bytes > 0
    assert files.faults, "the look-up read the file"


def test_a_lower_leader_epoch_is_fenced() -> None:
    log = new_log(memory_files())
    append(log, client_batch(), leader_epoch=3)
    with pytest.raises(FencedLeaderEpoch):
        log.stage(client_batch(), leader_epoch=2, now_ms=NOW_MS)
    log.stage(client_batch(), leader_epoch=5, now_ms=NOW_MS)
    with pytest.raises(FencedLeaderEpoch):
        log.stage(client_batch(), leader_epoch=4, now_ms=NOW_MS)
    log.write()
    assert [log.epoch_at(o) for o in (0, 1)] == [3, 5]
    assert log.epoch_end(3) == (3, 1)
    assert log.epoch_end(4) == (3, 1)
    assert log.epoch_end(5) == (5, 2)
    assert log.epoch_end(6) == (-1, -1)


@pytest.mark.semantics("17c")
def test_log_append_time_stamps_the_batch_and_its_checksum_holds() -> None:
    log = new_log(memory_files(), LogConfig(is_log_append_time=True))
    batch = client_batch([b"a", b"b"], timestamps_ms=[5, 6], producer_id=1, producer_epoch=0,
                         sequence=0)  # fmt: skip
    again = memoryview(bytearray(batch))
    staged = log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    log.write()
    assert staged.log_append_time_ms == NOW_MS
    (stored,) = read_all(log)
    header = read_header(stored)
    check_crc(stored, 0, header)
    assert (header.timestamp_type, header.max_timestamp) == (1, NOW_MS)
    repeated = log.stage(again, leader_epoch=0, now_ms=NOW_MS + 5)
    assert (repeated.is_duplicate, repeated.log_append_time_ms) == (True, NOW_MS)
    assert log.offset_for_timestamp(NOW_MS, 2) == (0, NOW_MS, 0)
    assert log.offset_for_timestamp(NOW_MS + 1, 2) is None


def test_internal_batches_come_several_at_once_and_may_be_control_batches() -> None:
    log = new_log(memory_files())
    both = bytes(client_batch([b"a", b"b"])) + bytes(client_batch(is_control=True))
    staged = log.stage(memoryview(bytearray(both)), leader_epoch=0, now_ms=NOW_MS, is_client=False)
    assert (staged.base_offset, staged.last_offset, staged.record_count) == (0, 2, 3)
    log.write()
    assert len(read_all(log)) == 2


def test_a_refused_batch_leaves_the_log_as_it_was() -> None:
    log = new_log(memory_files())
    append(log, client_batch())
    bad = client_batch()
    bad[23:27] = (5).to_bytes(4, "big")  # last offset delta; the checksum is then wrong too
    with pytest.raises(Exception, match="checksum"):
        log.stage(bad, leader_epoch=0, now_ms=NOW_MS)
    with pytest.raises(InvalidRecord):
        log.stage(client_batch(is_control=True), leader_epoch=0, now_ms=NOW_MS)
    log.write()
    assert log.log_end_offset == 1
    assert append(log, client_batch()) == [1]


@pytest.mark.semantics("42b")
@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
def test_time_look_up_finds_the_record_in_any_codec(compression: int) -> None:
    """Every millisecond from before the first to after the last, against a plain search."""
    log = new_log(memory_files(), SMALL)
    known: list[tuple[int, int]] = []
    for i in range(12):
        times = [NOW_MS + 10 * i + k for k in (3, 1, 7)]  # Out of order within a batch.
        known += [(i * 3 + k, t) for k, t in enumerate(times)]
        append(log, client_batch([b"v" * 60] * 3, timestamps_ms=times, compression=compression))
    for wanted in range(NOW_MS - 1, NOW_MS + 125):
        expected = next(((o, t, 0) for o, t in known if t >= wanted), None)
        assert log.offset_for_timestamp(wanted, log.log_end_offset) == expected
        below = next(((o, t, 0) for o, t in known if t >= wanted and o < 17), None)
        assert log.offset_for_timestamp(wanted, 17) == below


@pytest.mark.semantics("41c")
@pytest.mark.parametrize("limit", range(0, 61, 3))
def test_the_max_timestamp_is_that_of_the_first_record_that_has_it(limit: int) -> None:
    log = new_log(memory_files(), SMALL)
    known: list[tuple[int, int]] = []
    for i in range(20):
        times = [NOW_MS + (i * 7) % 11 + k for k in range(3)]
        known += [(i * 3 + k, t) for k, t in enumerate(times)]
        append(log, client_batch([b"v"] * 3, timestamps_ms=times))
    seen = known[:limit]
    latest = max((t for _, t in seen), default=-1)
    expected = next(((o, t, 0) for o, t in seen if t == latest), None)
    assert log.offset_of_max_timestamp(limit) == expected
    if limit > 9:
        log.delete_records_before(9)
        latest = max(t for _, t in seen[9:])
        assert log.offset_of_max_timestamp(limit) == next(
            (o, t, 0) for o, t in seen[9:] if t == latest
        )


@pytest.mark.semantics("41f")
def test_the_epoch_of_a_found_timestamp_is_the_records_and_not_the_current_one() -> None:
    log = new_log(memory_files())
    append(log, client_batch(timestamps_ms=[NOW_MS]), leader_epoch=2)
    append(log, client_batch(timestamps_ms=[NOW_MS + 1]), leader_epoch=9)
    assert log.offset_for_timestamp(NOW_MS, 2) == (0, NOW_MS, 2)


@pytest.mark.parametrize("cut", range(61))
def test_truncation_leaves_whole_batches_and_takes_appends_again(cut: int) -> None:
    log = filled(20)
    before = read_all(log)
    sync(log)
    log.truncate_to(cut)
    assert log.log_end_offset == log.synced_offset == cut // 3 * 3
    assert read_all(log) == before[: cut // 3]
    append(log, client_batch([b"new"]), leader_epoch=1)
    assert len(read_all(log)) == cut // 3 + 1
    assert log.epoch_end(0).end_offset == (cut // 3 * 3 if cut >= 3 else 0)
    sync(log)
    assert read_all(reopen(log._files, SMALL)) == read_all(log)  # type: ignore[arg-type]  # made up by the test


@pytest.mark.semantics("23c", "34b")
def test_truncation_forgets_producers_and_epochs_of_the_cut_part() -> None:
    log = new_log(memory_files(), SMALL)
    for sequence in range(20):
        append(
            log,
            client_batch([b"x" * 150], producer_id=1, producer_epoch=0, sequence=sequence),
            leader_epoch=sequence // 5,
        )
    assert len(log.segment_base_offsets) > 2
    log.truncate_to(7)
    assert log.leader_epoch == 1
    known = log.producers.get(1)
    assert known is not None
    assert [b.base_sequence for b in known.batches] == [2, 3, 4, 5, 6]
    again = client_batch([b"y"], producer_id=1, producer_epoch=0, sequence=7)
    assert append(log, again, leader_epoch=1) == [7]


def test_reset_begins_anew_at_an_offset() -> None:
    log = filled(10)
    sync(log)
    log.reset_to(100)
    assert (log.log_start_offset, log.log_end_offset, log.synced_offset) == (100, 100, 30)
    assert append(log, client_batch()) == [100]
    sync(log)
    assert log.synced_offset == 101
    assert reopen(log._files, SMALL).log_start_offset == 100  # type: ignore[arg-type]  # made up by the test


@pytest.mark.parametrize("offset", [0, 15, 100])
@pytest.mark.parametrize("has_power", [True, False])
@pytest.mark.parametrize("is_synced", [True, False])
def test_a_crash_at_any_change_of_a_reset_leaves_a_log(
    offset: int, has_power: bool, is_synced: bool
) -> None:
    """It holds a part of what was there, without a gap, or nothing; it is never lost."""
    change, is_through = 0, False
    while not is_through:
        files = memory_files()
        log = new_log(files, SMALL)
        for number in range(12):
            append(log, client_batch([b"%d" % number] * 3))
        before = read_all(log)
        if is_synced:
            sync(log)
        files.changes_max = files.changes + change
        try:
            log.reset_to(offset)
            is_through = True
        except PowerCut:
            change += 1
        if has_power:
            files.kill()
        else:
            files.crash(random.Random(change))
        again = reopen(files, SMALL)
        kept = read_all(again)
        assert b"".join(kept) in b"".join(before), change
        assert again.log_start_offset <= again.log_end_offset
    assert change > 5


def test_delete_records_moves_the_start_and_drops_whole_segments() -> None:
    log = filled(40)
    bases = log.segment_base_offsets
    log.delete_records_before(bases[2] + 1)
    assert log.segment_base_offsets == bases[2:]
    assert log.log_start_offset == bases[2] + 1
    log.delete_records_before(5)
    assert log.log_start_offset == bases[2] + 1, "the start never falls"
    with pytest.raises(OffsetOutOfRange):
        log.delete_records_before(121)
    sync(log)
    again = reopen(log._files, SMALL)  # type: ignore[arg-type]  # made up by the test
    assert (again.log_start_offset, again.log_end_offset) == (bases[2] + 1, 120)
