"""Produce: error codes, duplicates, several partitions, old versions."""

import dataclasses

import pytest

from data_plane.broker.dispatch import CloseConnection
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.records.compression import ZSTD
from tests.unit.data_plane.broker.world import (
    NOW_MS,
    World,
    batch_of,
    crc_broken,
    fetched,
    produced,
)


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", 2)
    return made


@pytest.mark.parametrize("version", range(3, 14))
def test_each_version_appends_and_says_where(world: World, version: int) -> None:
    world.produce("t", batch_of(b"zero"))
    row = produced(world.produce("t", batch_of(b"one", b"two"), version=version))
    assert (row.error_code, row.base_offset, row.log_append_time_ms) == (0, 1, -1)
    assert row.log_start_offset == (0 if version >= 5 else -1)


@pytest.mark.semantics("24a")
@pytest.mark.parametrize(
    ("topic", "partition", "batch", "code"),
    [
        ("missing", 0, batch_of(b"x"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 2, batch_of(b"x"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", -1, batch_of(b"x"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 0, crc_broken(batch_of(b"x")), ErrorCode.CORRUPT_MESSAGE),
        ("t", 0, batch_of(b"x") * 2, ErrorCode.INVALID_RECORD),
        ("t", 0, b"", ErrorCode.INVALID_RECORD),
        ("t", 0, None, ErrorCode.INVALID_RECORD),
        ("t", 0, b"short", ErrorCode.INVALID_RECORD),
        ("t", 0, batch_of(b"x", is_control=True), ErrorCode.INVALID_RECORD),
        ("t", 0, batch_of(b"x" * 1_100_000), ErrorCode.MESSAGE_TOO_LARGE),
    ],
)
def test_refusals_have_kafkas_codes_and_append_nothing(
    world: World, topic: str, partition: int, batch: bytes | None, code: ErrorCode
) -> None:
    row = produced(world.produce(topic, batch, partition=partition))
    assert (row.error_code, row.base_offset) == (code, -1)
    assert row.error_message
    assert fetched(world.fetch("t", 0, max_wait_ms=0)).high_watermark == 0


def test_internal_topics_are_the_brokers_own(world: World) -> None:
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()
    row = produced(world.produce("__consumer_offsets", batch_of(b"x")))
    assert row.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


@pytest.mark.semantics("18a")
def test_zstd_needs_version_7(world: World) -> None:
    batch = batch_of(b"x" * 500, compression=ZSTD)
    refused = produced(world.produce("t", batch, version=6))
    assert refused.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert produced(world.produce("t", batch, version=7)).error_code == 0


@pytest.mark.semantics("12a")
@pytest.mark.parametrize("acks", [2, -2])
def test_other_acks_are_refused(world: World, acks: int) -> None:
    row = produced(world.produce("t", batch_of(b"x"), acks=acks))
    assert row.error_code == ErrorCode.INVALID_REQUIRED_ACKS


def test_no_more_replicas_are_asked_for_than_there_are(world: World) -> None:
    """KAFKA-15583: else no acks=all could ever be written; too few in sync: test_replication.py."""
    world.create_topic("strict", min_insync_replicas="2")
    assert produced(world.produce("strict", batch_of(b"x"))).error_code == 0


@pytest.mark.semantics("9a", "9b")
def test_acks_zero_gets_no_reply_and_an_error_closes(world: World) -> None:
    assert world.produce("t", batch_of(b"x"), acks=0).reply is None
    assert fetched(world.fetch("t", 0)).high_watermark == 1
    with pytest.raises(CloseConnection, match="missing"):
        world.produce("missing", batch_of(b"x"), acks=0)


@pytest.mark.semantics("20a")
def test_a_repeated_batch_gets_its_first_offset(world: World) -> None:
    """Idempotence (KIP-98): the answer was lost, the producer asks again."""
    batch = batch_of(b"a", b"b", producer_id=7, producer_epoch=0, base_sequence=0)
    assert produced(world.produce("t", batch)).base_offset == 0
    produced(world.produce("t", batch_of(b"between")))
    assert produced(world.produce("t", batch)).base_offset == 0
    assert fetched(world.fetch("t", 0)).high_watermark == 3


def test_a_repeated_batch_waits_for_the_sync_of_the_first(world: World) -> None:
    """The duplicate is acknowledged no earlier than the original (durability.md 10)."""
    batch = batch_of(b"a", producer_id=7, producer_epoch=0, base_sequence=0)
    world.executor.is_held = True
    first, second = world.produce("t", batch), world.produce("t", batch)
    assert not first.is_answered
    assert not second.is_answered
    world.settle()
    assert [produced(asked).base_offset for asked in (first, second)] == [0, 0]


@pytest.mark.semantics("20c")
def test_a_gap_in_the_sequence_is_refused(world: World) -> None:
    first = batch_of(b"a", producer_id=7, producer_epoch=0, base_sequence=0)
    later = batch_of(b"c", producer_id=7, producer_epoch=0, base_sequence=2)
    produced(world.produce("t", first))
    row = produced(world.produce("t", later))
    assert row.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_one_partitions_error_does_not_touch_the_others(world: World) -> None:
    rows = [
        ProduceRequestPartition(0, batch_of(b"good")),
        ProduceRequestPartition(1, crc_broken(batch_of(b"bad"))),
    ]
    asked = world.ask(
        ProduceRequest(acks=-1, topic_data=[ProduceRequestTopic("t", partition_data=rows)]), 9
    )
    (topic,) = asked.response().responses
    assert [row.error_code for row in topic.partition_responses] == [0, ErrorCode.CORRUPT_MESSAGE]


def test_a_sync_that_takes_too_long_times_out(world: World) -> None:
    world.executor.is_held = True
    asked = world.produce("t", batch_of(b"x"), timeout_ms=1_000)
    world.sleep(999)
    assert not asked.is_answered
    world.sleep(1)
    assert produced(asked).error_code == ErrorCode.REQUEST_TIMED_OUT
    world.settle()
    assert fetched(world.fetch("t", 0)).high_watermark == 1, "it may be there all the same"


@pytest.mark.semantics("17d")
def test_log_append_time_is_told(world: World) -> None:
    world.create_topic("stamped", message_timestamp_type="LogAppendTime")
    row = produced(world.produce("stamped", batch_of(b"x")))
    assert row.log_append_time_ms == NOW_MS


def test_counters_count_what_was_appended_once(world: World) -> None:
    batch = batch_of(b"a", b"b", producer_id=7, producer_epoch=0, base_sequence=0)
    for _ in range(2):
        world.produce("t", batch)
    counters = world.broker.metrics.topic("t")
    assert (counters.messages_in, counters.bytes_in) == (2, len(batch))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_kept_for_librdkafka_are_refused_in_their_own_form(
    world: World, version: int
) -> None:
    """KAFKA-18659: without version 0 in the table old clients turn compression off."""
    row = produced(world.produce("t", b"", version=version))
    assert row.error_code == ErrorCode.UNSUPPORTED_VERSION


def test_a_stranger_is_refused_before_anything_is_looked_at(world: World) -> None:
    world.session.principal = "User:stranger"
    for topic in ("t", "missing"):
        row = produced(world.produce(topic, batch_of(b"x")))
        assert row.error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert dataclasses.is_dataclass(row)
