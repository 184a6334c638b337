"""OffsetForLeaderEpoch: where epochs ended, over restarts that raise them (KIP-101, KIP-320)."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
    OffsetForLeaderEpochResponsePartition,
)
from tests.unit.data_plane.broker.world import World, batch_of, produced


def asked(
    world: World, leader_epoch: int, *, current: int = -1, version: int = 4, topic: str = "t"
) -> OffsetForLeaderEpochResponsePartition:
    row = OffsetForLeaderEpochRequestPartition(0, current, leader_epoch)
    request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderEpochRequestTopic(topic, [row])])
    found: OffsetForLeaderEpochResponsePartition = (
        world.ask(request, version).response().topics[0].partitions[0]
    )
    return found


@pytest.fixture
def world() -> World:
    """Three records of one epoch, a restart that raises it, then two more."""
    made = World()
    made.create_topic("t")
    produced(made.produce("t", batch_of(b"a", b"b", b"c")))
    made.restart(lambda one: one.broker.close())
    produced(made.produce("t", batch_of(b"d", b"e")))
    return made


@pytest.mark.semantics("33a")
@pytest.mark.parametrize("version", range(2, 5))
def test_each_epoch_ends_where_the_next_began(world: World, version: int) -> None:
    now = world.broker.partition("t", 0).leader_epoch
    assert now > 0
    row = asked(world, 0, version=version)
    assert (row.error_code, row.leader_epoch, row.end_offset) == (0, 0, 3)
    row = asked(world, now, current=now, version=version)
    assert (row.leader_epoch, row.end_offset) == (now, 5)


def test_our_own_epoch_is_known_before_its_first_record(world: World) -> None:
    world.restart(lambda one: one.broker.close())
    now = world.broker.partition("t", 0).leader_epoch
    row = asked(world, now)
    assert (row.leader_epoch, row.end_offset) == (now, 5)
    assert asked(world, now + 5).leader_epoch == -1
    assert asked(world, now + 5).end_offset == -1


@pytest.mark.semantics("31c")
def test_a_view_that_is_not_ours_is_refused(world: World) -> None:
    now = world.broker.partition("t", 0).leader_epoch
    assert asked(world, 0, current=now - 1).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert asked(world, 0, current=now + 1).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert asked(world, 0, topic="no").error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    world.session.principal = "User:nobody"
    assert asked(world, 0).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
