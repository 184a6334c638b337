"""What a follower takes, when it cuts its log, and when it stops and keeps everything."""

from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.fetch import (
    FetchResponseEpochEndOffset,
    FetchResponsePartition,
)
from data_plane.protocol.records.batch import assign
from data_plane.replication.follower import Follower, Stopped
from tests.unit.data_plane.broker.world import NOW_MS, batch_of, crc_broken

TOPIC_ID = UUID(int=1)


def batch(offset: int, epoch: int, *values: bytes) -> bytes:
    made = bytearray(batch_of(*(values or (b"value",))))
    assign(made, 0, offset, epoch)
    return bytes(made)


def follower_of(*batches: bytes, epoch: int = 9, is_recovering: bool = False) -> Follower:
    directory = PurePath("/log")
    log = PartitionLog.create(MemoryFiles(), directory, LogConfig(), now_ms=NOW_MS)
    row = PartitionRecord(TOPIC_ID, 0, (0, 1), (0, 1), 0, epoch, 0, is_recovering=is_recovering)
    follower = Follower("t", TOPIC_ID, row, log, 0)
    for one in batches:
        follower.take(FetchResponsePartition(0, records=one), NOW_MS)
    return follower


def diverging(epoch: int, end: int) -> FetchResponsePartition:
    return FetchResponsePartition(0, diverging_epoch=FetchResponseEpochEndOffset(epoch, end))


def test_batches_are_kept_as_they_are() -> None:
    first, second = batch(0, 3, b"a", b"b"), batch(5, 4)  # Compaction has left a gap.
    follower = follower_of(first + second)
    assert follower.log.log_end_offset == 6
    assert follower.log.epoch_at(1) == 3
    assert follower.request(1).last_fetched_epoch == 4
    part = follower.log.read(0, bytes_max=1 << 20, offset_limit=6, at_least_one=True)
    assert part.read_bytes() == first + second


@pytest.mark.parametrize(
    "records",
    [
        crc_broken(batch(2, 4)),
        batch(1, 4),  # an offset that is there already
        batch(2, 2),  # an epoch that is over
        batch(2, 10),  # an epoch beyond the leader's own
        batch(2, 4)[:-1],
        batch(2, 4) + batch(2, 4),
    ],
    ids=["checksum", "offset", "old epoch", "unborn epoch", "cut", "twice"],
)
def test_what_no_follower_may_keep_stops_it(records: bytes) -> None:
    follower = follower_of(batch(0, 3, b"a", b"b"))
    with pytest.raises(Stopped):
        follower.take(FetchResponsePartition(0, records=records), NOW_MS)
    assert follower.log.log_end_offset == 2


def test_the_watermark_follows_as_far_as_the_log_reaches_and_never_falls() -> None:
    follower = follower_of(batch(0, 3, b"a", b"b"))
    for told, expected in ((1, 1), (7, 2), (0, 2)):
        follower.take(FetchResponsePartition(0, high_watermark=told), NOW_MS)
        assert follower.high_watermark == expected


@pytest.mark.parametrize(
    ("leader_epoch", "leader_end", "expected"),
    [
        (5, 3, 3),  # The same epoch, which ended sooner there.
        (5, 9, 4),  # It ended later there: only our later epochs are wrong.
        (4, 3, 2),  # An epoch we never had: back to the end of the one before.
        (3, 1, 1),
    ],
)
def test_it_cuts_to_where_both_may_agree(leader_epoch: int, leader_end: int, expected: int) -> None:
    follower = follower_of(batch(0, 3), batch(1, 3), batch(2, 5), batch(3, 5), batch(4, 7), epoch=8)
    assert follower.take(diverging(leader_epoch, leader_end), NOW_MS) is ErrorCode.NONE
    assert follower.log.log_end_offset == expected


def test_it_never_cuts_below_its_watermark_unless_recovering() -> None:
    for is_recovering in (False, True):
        follower = follower_of(batch(0, 3), batch(1, 3), is_recovering=is_recovering)
        follower.take(FetchResponsePartition(0, high_watermark=2), NOW_MS)
        if is_recovering:
            follower.take(diverging(3, 1), NOW_MS)
            assert (follower.log.log_end_offset, follower.high_watermark) == (1, 1)
        else:
            with pytest.raises(Stopped, match="high watermark 2"):
                follower.take(diverging(3, 1), NOW_MS)
            assert follower.log.log_end_offset == 2


def test_out_of_range_alone_proves_nothing() -> None:
    follower = follower_of(batch(0, 3), batch(1, 3))
    row = FetchResponsePartition(0, ErrorCode.OFFSET_OUT_OF_RANGE, log_start_offset=0)
    with pytest.raises(Stopped):
        follower.take(row, NOW_MS)
    assert follower.log.log_end_offset == 2


def test_what_the_leader_has_deleted_for_good_is_skipped() -> None:
    """A new replica, and one that was away for longer than the retention."""
    for follower in (follower_of(), follower_of(batch(0, 3), batch(1, 3))):
        row = FetchResponsePartition(0, ErrorCode.OFFSET_OUT_OF_RANGE, log_start_offset=70)
        assert follower.take(row, NOW_MS) is ErrorCode.NONE
        assert (follower.log.log_start_offset, follower.log.log_end_offset) == (70, 70)
        follower.take(FetchResponsePartition(0, records=batch(70, 4)), NOW_MS)
        assert follower.log.log_end_offset == 71


def test_a_log_that_starts_inside_a_batch_takes_the_whole_batch() -> None:
    """DeleteRecords cut the leader's log inside its only batch; this replica had none of it."""
    follower = follower_of()
    out_of_range = FetchResponsePartition(0, ErrorCode.OFFSET_OUT_OF_RANGE, log_start_offset=2)
    follower.take(out_of_range, NOW_MS)
    assert follower.request(1).fetch_offset == 2
    row = FetchResponsePartition(
        0, high_watermark=4, log_start_offset=2, records=batch(0, 4, b"a", b"b", b"c", b"d")
    )
    assert follower.take(row, NOW_MS) is ErrorCode.NONE
    log = follower.log
    assert (log.log_start_offset, log.log_end_offset, follower.high_watermark) == (2, 4, 4)
    follower.take(FetchResponsePartition(0, records=batch(4, 4), log_start_offset=2), NOW_MS)
    assert log.log_end_offset == 5


def test_a_log_with_records_never_reaches_back() -> None:
    """A batch that overlaps what is there is no beginning, and one behind the end no part of it."""
    for end, records in ((2, batch(1, 4, b"a", b"b")), (0, crc_broken(batch(0, 4)))):
        follower = follower_of(*([batch(0, 3, b"a", b"b")] if end else []))
        with pytest.raises(Stopped):
            follower.take(FetchResponsePartition(0, records=records), NOW_MS)
        assert follower.log.log_end_offset == end
    emptied = follower_of()
    emptied.take(
        FetchResponsePartition(0, ErrorCode.OFFSET_OUT_OF_RANGE, log_start_offset=9), NOW_MS
    )
    with pytest.raises(Stopped):
        emptied.take(FetchResponsePartition(0, records=batch(0, 4, b"a")), NOW_MS)
    assert (emptied.log.log_start_offset, emptied.log.log_end_offset) == (9, 9)


def test_the_log_start_follows_the_leaders() -> None:
    follower = follower_of(batch(0, 3), batch(1, 3))
    follower.take(FetchResponsePartition(0, log_start_offset=1), NOW_MS)
    assert follower.log.log_start_offset == 1


def test_other_errors_ask_to_come_again() -> None:
    follower = follower_of(batch(0, 3))
    row = FetchResponsePartition(0, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    assert follower.take(row, NOW_MS) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert follower.log.log_end_offset == 1
