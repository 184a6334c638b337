"""Fetch: long poll, limits, watermarks, errors at once, per version."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.records.batch import iter_batches
from data_plane.protocol.records.compression import ZSTD
from tests.unit.data_plane.broker.world import Asked, World, batch_of, fetched, produced


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t")
    return made


def offsets_of(asked: Asked) -> list[int]:
    """Base offsets of the batches in the one partition's answer."""
    records = bytes(fetched(asked).records or b"")
    return [header.base_offset for _, header in iter_batches(records)]


@pytest.mark.semantics("30a")
@pytest.mark.parametrize("version", range(4, 19))
def test_each_version_reads_and_tells_the_watermarks(world: World, version: int) -> None:
    for _ in range(3):
        produced(world.produce("t", batch_of(b"a", b"b")))
    asked = world.fetch("t", 3, version=version)
    row = fetched(asked)
    assert offsets_of(asked) == [2, 4], "from the whole batch that holds the offset"
    assert (row.error_code, row.high_watermark, row.last_stable_offset) == (0, 6, 6)
    assert row.log_start_offset == (0 if version >= 5 else -1)
    assert asked.response().session_id == 0


@pytest.mark.semantics("27b", "30a")
def test_an_empty_answer_waits_and_still_tells_the_watermarks(world: World) -> None:
    produced(world.produce("t", batch_of(b"a")))
    asked = world.fetch("t", 1, max_wait_ms=300)
    world.sleep(299)
    assert not asked.is_answered
    world.sleep(1)
    row = fetched(asked)
    assert (row.error_code, row.high_watermark, row.log_start_offset) == (0, 1, 0)


def test_a_produce_wakes_the_fetch_once_it_is_committed(world: World) -> None:
    asked = world.fetch("t", 0, max_wait_ms=60_000)
    world.executor.is_held = True
    world.produce("t", batch_of(b"a"))
    assert not asked.is_answered, "written, but not safe yet"
    world.executor.run()
    assert offsets_of(asked) == [0]


@pytest.mark.semantics("27a")
def test_min_bytes_are_waited_for(world: World) -> None:
    batch = batch_of(b"x" * 100)
    asked = world.fetch("t", 0, max_wait_ms=60_000, min_bytes=len(batch) * 3)
    for _ in range(2):
        world.produce("t", batch)
        assert not asked.is_answered
    world.produce("t", batch)
    assert offsets_of(asked) == [0, 1, 2]


@pytest.mark.semantics("27f")
def test_at_the_end_with_nothing_to_wait_for_it_answers_at_once(world: World) -> None:
    assert fetched(world.fetch("t", 0, min_bytes=0)).error_code == 0
    assert fetched(world.fetch("t", 0, max_wait_ms=0)).error_code == 0


@pytest.mark.semantics("27c", "27e")
@pytest.mark.parametrize(
    ("topic", "offset", "more", "code"),
    [
        ("t", -1, {}, ErrorCode.OFFSET_OUT_OF_RANGE),
        ("t", 2, {}, ErrorCode.OFFSET_OUT_OF_RANGE),
        ("missing", 0, {}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 0, {"current_leader_epoch": 9}, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
)
def test_errors_are_answered_at_once(
    world: World, topic: str, offset: int, more: dict[str, int], code: ErrorCode
) -> None:
    """A fetch held for max_wait although a partition has an error stalls consumers."""
    produced(world.produce("t", batch_of(b"a")))
    row = fetched(world.fetch(topic, offset, max_wait_ms=60_000, **more))
    assert row.error_code == code


@pytest.mark.semantics("38a")
def test_an_id_of_no_topic_is_unknown_at_once(world: World) -> None:
    """A topic created anew has another id; who still asks for the old one must learn that."""
    produced(world.produce("t", batch_of(b"a")))
    old_id = world.broker.image.topics["t"].topic_id
    world.ask(DeleteTopicsRequest(topic_names=["t"]), 3)
    world.settle()
    world.create_topic("t")
    row = FetchRequestPartition(0, fetch_offset=0)
    topics = [FetchRequestTopic(topic_id=old_id, partitions=[row])]
    asked = world.ask(FetchRequest(max_wait_ms=60_000, topics=topics), 17)
    assert fetched(asked).error_code == ErrorCode.UNKNOWN_TOPIC_ID
    assert asked.response().responses[0].topic_id == old_id


@pytest.mark.semantics("31a")
def test_an_older_leader_epoch_is_fenced(world: World) -> None:
    world.restart(lambda old: old.broker.close())
    row = fetched(world.fetch("t", 0, max_wait_ms=60_000, current_leader_epoch=0))
    assert row.error_code == ErrorCode.FENCED_LEADER_EPOCH


@pytest.mark.semantics("26a")
def test_one_batch_comes_even_if_it_is_larger_than_all_limits(world: World) -> None:
    """KIP-74: otherwise a consumer with small limits would be stuck for ever."""
    produced(world.produce("t", batch_of(b"x" * 10_000)))
    produced(world.produce("t", batch_of(b"y" * 10_000)))
    row = FetchRequestPartition(0, fetch_offset=0, partition_max_bytes=10)
    asked = world.ask(
        FetchRequest(max_bytes=10, topics=[FetchRequestTopic("t", partitions=[row])]), 12
    )
    assert offsets_of(asked) == [0]


@pytest.mark.semantics("26b")
def test_after_the_first_partition_the_limit_is_hard(world: World) -> None:
    world.create_topic("two", 2)
    for partition in range(2):
        produced(world.produce("two", batch_of(b"x" * 1_000), partition=partition))
    rows = [
        FetchRequestPartition(index, fetch_offset=0, partition_max_bytes=1 << 20)
        for index in range(2)
    ]
    asked = world.ask(
        FetchRequest(max_bytes=1_100, topics=[FetchRequestTopic("two", partitions=rows)]), 12
    )
    (topic,) = asked.response().responses
    assert [bool(row.records) for row in topic.partitions] == [True, False]


@pytest.mark.semantics("18b")
def test_zstd_is_not_given_to_clients_that_cannot_know_it(world: World) -> None:
    produced(world.produce("t", batch_of(b"x" * 500, compression=ZSTD)))
    refused = fetched(world.fetch("t", 0, version=9))
    assert refused.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert fetched(world.fetch("t", 0, version=10)).error_code == 0


def test_a_session_nobody_opened_is_not_found(world: World) -> None:
    asked = world.ask(FetchRequest(session_id=5, session_epoch=3), 12)
    assert asked.response().error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_stranger_reads_nothing(world: World) -> None:
    produced(world.produce("t", batch_of(b"secret")))
    world.session.principal = "User:stranger"
    asked = world.fetch("t", 0)
    assert fetched(asked).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert not fetched(asked).records
    assert fetched(asked).high_watermark == -1


def test_bytes_out_are_counted(world: World) -> None:
    batch = batch_of(b"a")
    produced(world.produce("t", batch))
    world.fetch("t", 0)
    assert world.broker.metrics.topic("t").bytes_out == len(batch)
