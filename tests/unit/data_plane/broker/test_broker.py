"""The commit rule, restarts and storage faults, over a whole broker with an in-memory disk."""

import errno
import random

import pytest

from data_plane.log.failures import DirectoryRefused, LogFailure
from data_plane.log.restart import RestartKind
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced


@pytest.mark.semantics("12c", "97a")
def test_acks_all_is_answered_only_after_the_sync() -> None:
    world = World()
    world.create_topic("t")
    world.executor.is_held = True
    asked = world.produce("t", batch_of(b"one"))
    assert not asked.is_answered
    world.executor.run()
    assert produced(asked).error_code == ErrorCode.NONE
    assert produced(asked).base_offset == 0


@pytest.mark.semantics("12e", "29c")
def test_acks_one_is_answered_before_the_sync_but_not_readable() -> None:
    world = World()
    world.create_topic("t")
    world.executor.is_held = True
    assert produced(world.produce("t", batch_of(b"one"), acks=1)).base_offset == 0
    found = fetched(world.fetch("t", 0, max_wait_ms=0))
    assert (found.high_watermark, bytes(found.records or b"")) == (0, b"")
    world.executor.run()
    world.broker.end_turn(world.now_ms)
    found = fetched(world.fetch("t", 0, max_wait_ms=0))
    assert found.high_watermark == 1
    assert b"one" in bytes(found.records or b"")


@pytest.mark.semantics("28a")
def test_what_arrives_during_a_sync_waits_for_the_next_one() -> None:
    """Group commit: two produces behind a running sync share the one after it."""
    world = World()
    world.create_topic("t")
    world.executor.is_held = True
    first = world.produce("t", batch_of(b"one"))
    later = [world.produce("t", batch_of(b"%d" % number)) for number in range(2)]
    assert len(world.executor.waiting) == 1
    work, done = world.executor.waiting.pop()
    for one in work:
        one()
    done(None)
    assert first.is_answered
    assert not any(asked.is_answered for asked in later)
    world.broker.end_turn(world.now_ms)
    assert len(world.executor.waiting) == 1
    world.executor.run()
    assert [produced(asked).base_offset for asked in later] == [1, 2]


@pytest.mark.semantics("98a", "98b")
def test_a_failed_sync_acknowledges_nothing_and_is_not_retried() -> None:
    world = World()
    world.create_topic("t")
    produced(world.produce("t", batch_of(b"zero")))
    world.files.fail("sync", errno.EIO, ".log")
    asked = world.produce("t", batch_of(b"one"))
    assert not asked.is_answered
    assert [type(failure) for failure in world.failures] == [LogFailure]
    again = world.produce("t", batch_of(b"two"))
    world.settle()
    assert not asked.is_answered
    assert not again.is_answered
    assert len(world.failures) == 1


def test_a_failed_write_ends_the_broker_unanswered() -> None:
    world = World()
    world.create_topic("t")
    produced(world.produce("t", batch_of(b"zero")))
    world.files.fail("append", errno.EIO, ".log")
    with pytest.raises(LogFailure):
        world.produce("t", batch_of(b"one"), acks=1)
    assert [type(failure) for failure in world.failures] == [LogFailure]


@pytest.mark.semantics("24b")
@pytest.mark.parametrize("acks", [1, -1])
def test_a_full_disk_answers_56_and_gives_the_offset_again(acks: int) -> None:
    world = World()
    world.create_topic("t")
    world.files.fail("append", errno.ENOSPC, ".log", bytes_before=30)
    refused = produced(world.produce("t", batch_of(b"one"), acks=acks))
    assert (refused.error_code, refused.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert world.failures == []
    assert produced(world.produce("t", batch_of(b"two"), acks=acks)).base_offset == 0
    assert fetched(world.fetch("t", 0)).high_watermark == 1


@pytest.mark.semantics("97a")
def test_acknowledged_records_survive_power_loss() -> None:
    world = World()
    world.create_topic("t")
    kept = [world.produce("t", batch_of(b"%d" % number)) for number in range(5)]
    assert [produced(asked).base_offset for asked in kept] == list(range(5))
    world.executor.is_held = True
    lost = world.produce("t", batch_of(b"never acknowledged"))
    assert not lost.is_answered
    world.restart(lambda old: old.files.crash(random.Random(3)))
    assert world.broker.log_dir.restart_kind in (
        RestartKind.POWER_LOSS,
        RestartKind.PROCESS_CRASH,
    )
    found = fetched(world.fetch("t", 0))
    assert found.high_watermark >= 5
    assert all(b"%d" % number in bytes(found.records or b"") for number in range(5))


@pytest.mark.semantics("78a")
def test_a_restart_raises_the_leader_epoch_always() -> None:
    """Nothing of an earlier incarnation is taken for this one's (durability.md 3)."""
    world = World()
    world.create_topic("t")
    before = world.broker.partition("t", 0).leader_epoch
    world.restart(lambda old: old.broker.close())
    assert world.broker.log_dir.restart_kind == RestartKind.CLEAN
    assert world.broker.partition("t", 0).leader_epoch == before + 1


def test_partitions_without_their_metadata_are_not_taken_for_deleted() -> None:
    """A lost metadata log must not look like a cluster without topics: files would be deleted."""
    world = World()
    world.create_topic("t")
    world.broker.close()
    world.files.remove_tree(world.broker.log_dir.root / "metadata")
    with pytest.raises(DirectoryRefused, match="metadata log is missing"):
        world.restart(lambda _: None)


@pytest.mark.semantics("27c")
def test_a_deleted_topic_answers_whoever_waits_for_it() -> None:
    world = World()
    world.create_topic("t")
    parked = world.fetch("t", 0, max_wait_ms=60_000)
    assert not parked.is_answered
    asked = world.ask(DeleteTopicsRequest(topic_names=["t"]), 3)
    world.settle()
    assert asked.response().responses[0].error_code == ErrorCode.NONE
    assert fetched(parked).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert world.broker.log_dir.partitions() == []


def test_a_produce_waiting_for_its_sync_is_told_when_its_topic_goes() -> None:
    world = World()
    world.create_topic("t")
    world.executor.is_held = True
    parked = world.produce("t", batch_of(b"one"))
    world.executor.waiting.clear()  # a sync that does not end
    world.ask(DeleteTopicsRequest(topic_names=["t"]), 3)
    world.settle()
    assert produced(parked).error_code == ErrorCode.KAFKA_STORAGE_ERROR


def test_a_damaged_partition_is_quarantined_and_the_others_are_served() -> None:
    world = World()
    world.create_topic("whole")
    world.create_topic("damaged")
    for topic in ("whole", "damaged"):
        assert produced(world.produce(topic, batch_of(b"x"))).error_code == 0
    world.files.fail("read", errno.EIO, str(world.broker.image.topics["damaged"].topic_id))
    assert fetched(world.fetch("damaged", 0)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert fetched(world.fetch("whole", 0)).error_code == ErrorCode.NONE
    assert fetched(world.fetch("damaged", 0)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert len(world.broker.log_dir.quarantined) == 1


@pytest.mark.semantics("35e", "97b")
def test_a_replicated_topic_is_answered_at_the_write_and_synced_by_flush_ms() -> None:
    """Kafka's own rule, opted into: the sync follows later, and nobody waits for it."""
    world = World()
    world.create_topic("t", ack_durability="replicated", flush_ms="700")
    world.executor.is_held = True
    assert produced(world.produce("t", batch_of(b"one"))).base_offset == 0
    assert b"one" in bytes(fetched(world.fetch("t", 0, max_wait_ms=0)).records or b"")
    assert not world.executor.waiting
    world.sleep(699)
    assert not world.executor.waiting
    assert world.broker.next_due_ms <= world.now_ms + 1
    world.sleep(1)
    assert len(world.executor.waiting) == 1
    world.executor.run()
    partition = world.broker.partition("t", 0)
    assert partition.log.synced_offset == 1
    assert world.produce("t", batch_of(b"two")).is_answered


def test_a_topic_that_becomes_safe_again_waits_for_syncs_again() -> None:
    world = World()
    world.create_topic("t", ack_durability="replicated")
    assert world.produce("t", batch_of(b"one")).is_answered
    world.alter_topic("t", ack_durability="safe")
    world.executor.is_held = True
    asked = world.produce("t", batch_of(b"two"))
    assert not asked.is_answered
    world.executor.run()
    assert produced(asked).base_offset == 1
