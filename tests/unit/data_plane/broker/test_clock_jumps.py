"""What a wall clock that is set by an hour or a year costs a broker: nothing that is kept by age.

Target D8 of reliability.md, with real processes in tests/chaos (`make chaos ARGS=clocks`). Method:
`jump` says what the ticker would: the broker's clock goes on, the wall clock is elsewhere.
"""

import pytest

from data_plane.broker.broker import TIME_MARK_MS
from data_plane.broker.dates import DAY_MS, HELD_MS
from data_plane.log.time_mark import read_time_mark
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from tests.unit.data_plane.broker.test_transactions import state
from tests.unit.data_plane.broker.test_upkeep import RETENTION_MS, fill, seen
from tests.unit.data_plane.broker.transaction_clients import (
    GROUP,
    TIMEOUT_MS,
    TransactionalClient,
    committed_offset,
    read_committed,
)
from tests.unit.data_plane.broker.world import NOW_MS, World, batch_of, produced

E = ErrorCode
HOUR_MS = 3_600_000
YEAR_MS = 365 * DAY_MS
JUMPS_MS = [HOUR_MS, -HOUR_MS, YEAR_MS, -YEAR_MS]


def jump(world: World, ms: int) -> None:
    world.broker.look_at_wall(world.now_ms, world.now_ms + ms)


def world_with_records() -> World:
    world = World()
    world.create_topic("t", segment_bytes="300", retention_ms=str(DAY_MS))
    fill(world, "t", 8)
    return world


def kept(world: World, seconds: int = 600) -> list[int]:
    """What is there after retention has looked at it."""
    for _ in range(2):
        world.sleep(max(seconds * 1_000, RETENTION_MS + 1))
        world.settle()
    return seen(world, "t")


@pytest.mark.parametrize("ms", JUMPS_MS)
def test_no_record_is_deleted_early_while_a_broker_runs(ms: int) -> None:
    world = world_with_records()
    jump(world, ms)
    assert kept(world) == list(range(8))
    jump(world, 0)
    world.sleep(DAY_MS)
    assert kept(world) == []


def test_records_of_right_clocks_are_kept_by_a_broker_that_is_a_year_ahead() -> None:
    """It started so; the wall clock was then set right, and clients were right all the time."""
    world = World()
    world.now_ms += YEAR_MS
    world.restart(lambda world: world.files.kill())
    jump(world, -YEAR_MS)
    world.create_topic("t", segment_bytes="300", retention_ms=str(DAY_MS))
    for at in range(8):
        batch = encode_batch([Record(0, 0, b"k", b"x" * 80)], base_timestamp_ms=NOW_MS + at)
        assert produced(world.produce("t", batch)).error_code == 0
    assert kept(world) == list(range(8))


def test_a_broker_whose_clock_is_behind_takes_records_of_the_wall_clocks_time() -> None:
    """It was started before the machine knew the time; clients must not be refused for ever."""
    world = world_with_records()
    later = encode_batch([Record(0, 0, b"k", b"v")], base_timestamp_ms=NOW_MS + YEAR_MS)
    assert produced(world.produce("t", later)).error_code == E.INVALID_TIMESTAMP
    jump(world, YEAR_MS)
    world.create_topic("opened-later")
    for topic in ("t", "opened-later"):
        assert produced(world.produce(topic, later)).error_code == 0
    jump(world, 0)
    assert produced(world.produce("t", later)).error_code == E.INVALID_TIMESTAMP


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_start_with_a_clock_a_year_ahead_deletes_nothing_for_a_day(is_clean: bool) -> None:
    world = world_with_records()
    world.sleep(TIME_MARK_MS)
    world.settle()
    world.now_ms += YEAR_MS
    world.restart(lambda world: world.broker.close() if is_clean else world.files.kill())
    assert kept(world) == list(range(8))
    world.sleep(HELD_MS)
    assert kept(world) == [], "a clock that stays as it is, is believed after that"


def test_a_doubt_outlives_another_restart() -> None:
    """What the mark says next is not the time that is doubted."""
    world = world_with_records()
    world.sleep(TIME_MARK_MS)
    world.settle()
    world.now_ms += YEAR_MS
    for _ in range(2):
        world.restart(lambda world: world.broker.close())
        world.sleep(TIME_MARK_MS)
        assert kept(world) == list(range(8))


def test_an_operator_who_removes_the_mark_is_believed() -> None:
    world = world_with_records()
    world.now_ms += YEAR_MS

    def stop(world: World) -> None:
        world.broker.close()
        world.files.remove(world.broker.log_dir.root / "time-mark")

    world.restart(stop)
    assert kept(world) == []


def test_the_mark_is_written_once_an_hour_and_when_the_broker_stops() -> None:
    world = World()
    root = world.broker.log_dir.root
    assert read_time_mark(world.files, root) is None
    world.sleep(TIME_MARK_MS)
    assert read_time_mark(world.files, root) == NOW_MS + TIME_MARK_MS
    world.sleep(60_000)
    assert read_time_mark(world.files, root) == NOW_MS + TIME_MARK_MS
    world.broker.close()
    assert read_time_mark(world.files, root) == NOW_MS + TIME_MARK_MS + 60_000


# Coordinators.


def world_with_transaction() -> tuple[World, TransactionalClient]:
    """One record in an open transaction, and one committed offset."""
    world = World()
    world.create_topic("t", 3)
    world.ask(FindCoordinatorRequest(key=GROUP), 3)
    row = OffsetCommitRequestPartition(0, committed_offset=1)
    topics = [OffsetCommitRequestTopic("t", partitions=[row])]
    world.ask(OffsetCommitRequest(GROUP, topics=topics), 8)
    world.settle()
    one = TransactionalClient(world, "id")
    one.find()
    assert (one.init(), one.add(0), one.produce(0, b"v")) == (E.NONE,) * 3
    return world, one


@pytest.mark.parametrize("ms", JUMPS_MS)
def test_no_transaction_ends_early_while_a_broker_runs(ms: int) -> None:
    world, one = world_with_transaction()
    jump(world, ms)
    world.sleep(TIMEOUT_MS - 1)
    world.settle()
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    assert read_committed(world, "t", 0) == [b"v"]


@pytest.mark.parametrize("ms", [HOUR_MS, YEAR_MS, -HOUR_MS, -YEAR_MS])
def test_who_takes_a_transaction_over_with_another_clock_counts_anew(ms: int) -> None:
    """Neither is it ended early, nor stays it open until that clock's time has come again."""
    for is_ended in (True, False):
        world, one = world_with_transaction()
        world.now_ms += ms
        world.restart(lambda world: world.files.kill())
        world.sleep(TIMEOUT_MS - 1)
        world.settle()
        if is_ended:
            assert one.end(is_commit=True) is E.NONE
        world.sleep(2)
        world.settle()
        assert read_committed(world, "t", 0) == ([b"v"] if is_ended else [])
        assert is_ended or one.end(is_commit=True) is E.PRODUCER_FENCED


def test_offsets_and_ids_are_not_forgotten_by_a_start_with_a_clock_a_year_ahead() -> None:
    world, one = world_with_transaction()
    assert one.end(is_commit=True) is E.NONE
    world.now_ms += YEAR_MS
    world.restart(lambda world: world.broker.close())
    for _ in range(3):
        world.sleep(HOUR_MS)
        world.settle()
    assert committed_offset(world) == (E.NONE, 1)
    assert state(world) == "CompleteCommit"
    world.sleep(HELD_MS)
    for _ in range(3):
        world.sleep(HOUR_MS)
        world.settle()
    assert committed_offset(world) == (E.NONE, -1)
    assert state(world) == "TRANSACTIONAL_ID_NOT_FOUND"


def test_a_producer_is_not_forgotten_by_a_start_with_a_clock_a_year_ahead() -> None:
    """Else a batch that it sends again would be stored twice."""
    world = World()
    world.create_topic("t")
    batch = batch_of(b"v", producer_id=7, producer_epoch=0, base_sequence=0)
    assert produced(world.produce("t", batch)).base_offset == 0
    world.now_ms += YEAR_MS
    world.restart(lambda world: world.broker.close())
    kept(world)
    again = batch_of(b"v", producer_id=7, producer_epoch=0, base_sequence=0)
    assert produced(world.produce("t", again)).base_offset == 0
