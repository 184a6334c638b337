"""Retention and compaction as the broker's ticks drive them (kafka-protocol.md items 45-49)."""

import pytest

from data_plane.broker.broker import Broker
from data_plane.broker.upkeep import PARTITIONS_PER_STEP
from data_plane.log.clean_job import CleanJob
from data_plane.log.failures import DamagedLog
from data_plane.log.files import Files
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.incremental_alter_configs import (
    APPEND,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from data_plane.protocol.records.batch import iter_batches
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.replication.cleaners import Cleaned, InlineCleaner
from tests.factories.compaction import records_of
from tests.unit.data_plane.broker.world import NOW_MS, World, batch_of, fetched, produced

RETENTION_MS = 300_000
CLEANING_MS = 15_000


def create_compacted(world: World, topic: str) -> None:
    world.create_topic(
        topic,
        cleanup_policy="compact",
        segment_bytes="300",
        min_cleanable_dirty_ratio="0.0",
        delete_retention_ms="60000",
    )


def fill(world: World, topic: str, count: int, *, keys: int = 2, partition: int = 0) -> None:
    for at in range(count):
        record = Record(0, 0, b"k%d" % (at % keys), b"v%d " % at + b"x" * 80)
        batch = encode_batch([record], base_timestamp_ms=world.now_ms)
        assert produced(world.produce(topic, batch, partition=partition)).error_code == 0


def seen(world: World, topic: str) -> list[int]:
    """The base offsets of all batches a client can fetch."""
    offsets: list[int] = []
    offset = world.broker.partition(topic, 0).log.log_start_offset
    while records := fetched(world.fetch(topic, offset, max_wait_ms=0)).records:
        for _, header in iter_batches(memoryview(records)):
            offsets.append(header.base_offset)
            offset = header.next_offset
    return offsets


@pytest.mark.semantics("45a", "45c")
def test_45_retention_by_time_goes_by_the_segment_s_latest_timestamp() -> None:
    world = World()
    world.create_topic("t", segment_bytes="300", retention_ms="600000")
    fill(world, "t", 8)
    world.sleep(RETENTION_MS)
    world.settle()
    assert world.broker.partition("t", 0).log.log_start_offset == 0
    world.sleep(RETENTION_MS + 1)
    world.settle()
    log = world.broker.partition("t", 0).log
    assert (log.log_start_offset, log.log_end_offset) == (8, 8)
    assert not [n for n in world.files.list_names(log.directory) if n.endswith(".deleted")]


@pytest.mark.semantics("45b")
def test_45_retention_by_size_leaves_the_active_segment_and_what_fits() -> None:
    world = World()
    world.create_topic("t", segment_bytes="300", retention_bytes="600")
    fill(world, "t", 12)
    world.sleep(RETENTION_MS)
    world.settle()
    assert 600 <= world.broker.partition("t", 0).log.size_bytes <= 900
    assert seen(world, "t")[-1] == 11


def test_45_a_partition_that_nobody_uses_is_looked_after_too() -> None:
    """After a clean restart nothing is open; retention opens what holds records, in steps."""
    world = World()
    world.create_topic("t", partitions=3 * PARTITIONS_PER_STEP, retention_ms="1000")
    for index in range(3 * PARTITIONS_PER_STEP):
        fill(world, "t", 1, partition=index)
    world.restart(lambda one: one.broker.close())
    assert not world.broker.open_partitions()
    assert world.broker.log_dir.used_bytes
    world.now_ms += RETENTION_MS
    opened = []
    for _ in range(5):
        world.broker.tick(world.now_ms)
        opened.append(len(world.broker.open_partitions()))
    assert opened[:3] == [PARTITIONS_PER_STEP * n for n in (1, 2, 3)]
    world.settle()
    assert world.broker.log_dir.used_bytes == 0


def test_46_how_often_it_is_looked_for_can_be_changed_while_the_broker_runs() -> None:
    """KIP-226: `log.cleaner.backoff.ms`, for the cluster or for one broker."""
    world = World()
    create_compacted(world, "t")
    fill(world, "t", 20)
    world.alter_broker("", log_cleaner_backoff_ms="1000")
    world.sleep(1_000)
    world.settle()
    kept = len(seen(world, "t"))
    assert kept < 20
    world.alter_broker("0", log_cleaner_backoff_ms=str(10 * CLEANING_MS))
    fill(world, "t", 20)
    world.sleep(1_000)  # What was due before the change still is.
    world.settle()
    fill(world, "t", 20)
    grown = len(seen(world, "t"))
    world.sleep(CLEANING_MS)
    world.settle()
    assert len(seen(world, "t")) == grown


@pytest.mark.semantics("46a")
def test_46_compaction_runs_when_it_is_due_and_clients_see_the_last_of_each_key() -> None:
    world = World()
    create_compacted(world, "t")
    fill(world, "t", 20)
    world.sleep(CLEANING_MS)
    world.settle()
    log = world.broker.partition("t", 0).log
    kept = seen(world, "t")
    active = log.segment_base_offsets[-1]
    assert [offset for offset in kept if offset < active] == [active - 2, active - 1]
    assert log.log_end_offset == 20
    assert not world.failures
    world.files.crash()
    world.restart(lambda _: None)
    assert seen(world, "t") == kept


def test_46_an_idle_segment_rolls_in_time_for_max_compaction_lag() -> None:
    world = World()
    world.create_topic("t", cleanup_policy="compact", max_compaction_lag_ms="20000")
    fill(world, "t", 6)
    world.sleep(CLEANING_MS)
    world.settle()
    assert len(seen(world, "t")) == 6
    for _ in range(3):
        world.sleep(CLEANING_MS)
        world.settle()
    assert seen(world, "t") == [4, 5]


@pytest.mark.semantics("47a")
def test_47_a_tombstone_goes_by_itself_past_its_horizon() -> None:
    world = World()
    create_compacted(world, "t")
    fill(world, "t", 1, keys=1)
    tombstone = encode_batch([Record(0, 0, b"k0", None)], base_timestamp_ms=NOW_MS)
    produced(world.produce("t", tombstone))
    fill(world, "t", 3, keys=3)
    world.sleep(CLEANING_MS)
    world.settle()
    log = world.broker.partition("t", 0).log
    before = [r.offset for r in records_of(log)]
    assert 0 not in before
    create_compacted(world, "other")
    produced(
        world.produce(
            "other", encode_batch([Record(0, 0, b"gone", None)], base_timestamp_ms=NOW_MS)
        )
    )
    fill(world, "other", 4, keys=4)
    world.sleep(CLEANING_MS)
    world.settle()
    other = world.broker.partition("other", 0).log
    assert 0 in [r.offset for r in records_of(other)]
    world.sleep(60_000)
    world.settle()
    assert 0 not in [r.offset for r in records_of(other)]


@pytest.mark.semantics("48a")
def test_48_a_fetch_in_a_gap_returns_the_next_batch() -> None:
    world = World()
    create_compacted(world, "t")
    fill(world, "t", 20)
    world.sleep(CLEANING_MS)
    world.settle()
    first = seen(world, "t")[0]
    for offset in range(first + 1):
        row = fetched(world.fetch("t", offset, max_wait_ms=0))
        assert row.error_code == 0
        assert row.records is not None
        _, header = next(iter_batches(memoryview(row.records)))
        assert header.base_offset == first
        assert row.high_watermark == 20


@pytest.mark.semantics("49a", "49b")
def test_49_appending_compact_to_the_default_policy_gives_both_and_both_run() -> None:
    world = World()
    world.create_topic("t", segment_bytes="300", min_cleanable_dirty_ratio="0.0")
    fill(world, "t", 20)
    row = IncrementalAlterConfigsRequestConfig("cleanup.policy", APPEND, "compact")
    resource = IncrementalAlterConfigsRequestResource(TOPIC_RESOURCE, "t", [row])
    world.ask(IncrementalAlterConfigsRequest([resource]), 1)
    world.settle()
    config = world.broker.partition("t", 0).log.config
    assert config.is_compacted
    assert config.is_deleted
    world.sleep(CLEANING_MS)
    world.settle()
    assert len(seen(world, "t")) < 6
    world.alter_topic("t", retention_ms="1000")
    world.sleep(RETENTION_MS)
    world.settle()
    assert seen(world, "t") == []
    assert world.broker.partition("t", 0).log.log_start_offset == 20


def test_config_changes_take_effect_on_open_logs() -> None:
    world = World()
    world.create_topic("t")
    fill(world, "t", 4)
    log = world.broker.partition("t", 0).log
    before = len(log.segment_base_offsets)
    world.alter_topic("t", segment_bytes="300", message_timestamp_type="LogAppendTime")
    assert produced(world.produce("t", batch_of(b"x"))).log_append_time_ms == world.now_ms
    fill(world, "t", 4)
    assert len(log.segment_base_offsets) > before
    world.alter_topic("t", max_message_bytes="10")
    assert produced(world.produce("t", batch_of(b"x"))).error_code != 0


class HeldCleaner(InlineCleaner):
    """Keeps runs back until the test lets them go on, or fail."""

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.held: list[tuple[CleanJob, Cleaned]] = []

    def submit(self, job: CleanJob, done: Cleaned) -> None:
        self.held.append((job, done))

    def finish(self) -> None:
        super().submit(*self.held.pop())

    def fail(self, error: Exception) -> CleanJob:
        job, done = self.held.pop()
        done(error)
        return job


def held(world: World) -> HeldCleaner:
    """Let a run of topic t begin and hold it."""
    cleaner = HeldCleaner(world.files)
    world.broker._upkeep._cleaner = cleaner
    create_compacted(world, "t")
    fill(world, "t", 20)
    world.sleep(CLEANING_MS)
    world.settle()
    assert cleaner.held
    return cleaner


def test_the_log_is_written_and_read_while_it_is_compacted() -> None:
    world = World()
    cleaner = held(world)
    fill(world, "t", 7)
    assert len(seen(world, "t")) == 27
    cleaner.finish()
    world.settle()
    assert len(seen(world, "t")) < 20
    assert seen(world, "t")[-1] == 26


def test_records_deleted_meanwhile_stay_deleted() -> None:
    world = World()
    cleaner = held(world)
    world.alter_topic("t", cleanup_policy="compact,delete")
    world.broker.partition("t", 0).delete_records_before(10)
    cleaner.finish()
    world.settle()
    log = world.broker.partition("t", 0).log
    assert log.log_start_offset == 10
    assert not [n for n in world.files.list_names(log.directory) if n.endswith(".cleaned")]
    world.sleep(CLEANING_MS)
    world.settle()
    cleaner.finish()
    world.settle()
    assert log.log_start_offset == 10
    assert not world.failures


def test_a_topic_deleted_meanwhile_leaves_nothing() -> None:
    world = World()
    cleaner = held(world)
    partition = world.broker.partition("t", 0)
    world.ask(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000), 5)
    world.settle()
    assert partition.is_gone
    job = cleaner.fail(FileNotFoundError())
    world.settle()
    assert not world.failures
    assert not world.files.exists(job.directory)


def test_a_log_that_cannot_be_read_is_left_alone_and_the_rest_goes_on() -> None:
    world = World()
    cleaner = held(world)
    cleaner.fail(DamagedLog("the batch at offset 3 failed its checksum"))
    world.settle()
    log = world.broker.partition("t", 0).log
    assert log.compaction.refusal
    world.sleep(CLEANING_MS)
    world.settle()
    assert not cleaner.held
    create_compacted(world, "u")
    fill(world, "u", 20)
    world.sleep(CLEANING_MS)
    world.settle()
    cleaner.finish()
    world.settle()
    assert len(seen(world, "u")) < 6
    assert len(seen(world, "t")) == 20


def test_a_run_that_failed_is_tried_again() -> None:
    world = World()
    cleaner = held(world)
    cleaner.fail(OSError("the process died"))
    world.sleep(CLEANING_MS)
    world.settle()
    cleaner.finish()
    world.settle()
    assert len(seen(world, "t")) < 6


def test_a_stop_in_the_middle_of_a_swap_is_clean() -> None:
    world = World()
    cleaner = held(world)
    world.executor.is_held = True
    cleaner.finish()

    def stop(one: World) -> None:
        broker: Broker = one.broker
        broker.close()

    world.restart(stop)
    assert seen(world, "t") == list(range(20))
    assert world.broker.log_dir.restart_kind.value == "clean"
    log = world.broker.partition("t", 0).log
    names = world.files.list_names(log.directory)
    assert not [n for n in names if n.endswith((".cleaned", ".swap"))]


def test_a_replica_that_changes_its_role_in_the_middle_of_a_swap_leaves_none_behind() -> None:
    """The next start would finish it, over whatever the log has become by then.

    Method: the role changes behind each piece of work that is done off the loop, the last too.
    """
    steps = 0
    while True:
        world = World()
        cleaner = held(world)
        world.executor.is_held = True
        cleaner.finish()
        if not all(is_step_done(world) for _ in range(steps)):
            break
        partition = world.broker.partition("t", 0)
        partition.leave(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        world.executor.run()
        names = world.files.list_names(partition.log.directory)
        assert not [n for n in names if n.endswith((".cleaned", ".swap"))], steps
        steps += 1
    assert steps > 3


def is_step_done(world: World) -> bool:
    """Have one piece of work done off the loop; False if there is none."""
    if not world.executor.waiting:
        return False
    work, done = world.executor.waiting.pop(0)
    for one in work:
        one()
    done(None)
    return True
