"""DeleteRecords: up to the high watermark, and what it refuses (KIP-107, item 45)."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
    DeleteRecordsResponsePartition,
)
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", segment_bytes="300")
    for _ in range(10):
        produced(made.produce("t", batch_of(b"x" * 200)))
    return made


def deleted(
    world: World, offset: int, *, topic: str = "t", index: int = 0, version: int = 2
) -> DeleteRecordsResponsePartition:
    row = DeleteRecordsRequestPartition(index, offset)
    request = DeleteRecordsRequest(topics=[DeleteRecordsRequestTopic(topic, [row])])
    found: DeleteRecordsResponsePartition = (
        world.ask(request, version).response().topics[0].partitions[0]
    )
    return found


@pytest.mark.semantics("45c", "45d")
@pytest.mark.parametrize("version", range(3))
def test_45_the_log_start_moves_and_stays_over_restarts(world: World, version: int) -> None:
    assert deleted(world, 4, version=version).low_watermark == 4
    assert deleted(world, 2, version=version).low_watermark == 4
    assert fetched(world.fetch("t", 3)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    row = fetched(world.fetch("t", 4))
    assert (row.error_code, row.log_start_offset) == (0, 4)
    world.settle()
    world.files.crash()
    world.restart(lambda _: None)
    assert world.broker.partition("t", 0).log.log_start_offset == 4
    world.restart(lambda one: one.broker.close())
    assert world.broker.partition("t", 0).log.log_start_offset == 4


@pytest.mark.semantics("45d")
def test_45_minus_one_is_the_high_watermark(world: World) -> None:
    assert deleted(world, -1).low_watermark == 10
    assert produced(world.produce("t", batch_of(b"x"))).base_offset == 10


@pytest.mark.semantics("45d")
def test_45_not_beyond_the_high_watermark(world: World) -> None:
    world.executor.is_held = True
    world.produce("t", batch_of(b"not committed"))
    assert deleted(world, 11).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert deleted(world, -2).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert deleted(world, -1).low_watermark == 10


def test_what_is_refused_has_its_code(world: World) -> None:
    world.create_topic("compacted", cleanup_policy="compact")
    assert deleted(world, 0, topic="compacted").error_code == ErrorCode.POLICY_VIOLATION
    assert deleted(world, 0, topic="nowhere").error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert deleted(world, 0, index=7).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    refused = deleted(world, 0, topic="__consumer_offsets").error_code
    assert refused == ErrorCode.INVALID_TOPIC_EXCEPTION
    world.session.principal = "User:nobody"
    assert deleted(world, 0).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
