"""DescribeLogDirs: the one directory, its replicas' bytes and the disk's (KIP-113, KIP-827)."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_log_dirs import (
    DescribeLogDirsRequest,
    DescribeLogDirsRequestTopic,
    DescribeLogDirsResponse,
)
from tests.unit.data_plane.broker.world import World, batch_of, produced


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", partitions=2)
    made.create_topic("u")
    produced(made.produce("t", batch_of(b"x" * 500), partition=1))
    return made


def described(
    world: World, topics: list[DescribeLogDirsRequestTopic] | None, version: int = 4
) -> DescribeLogDirsResponse:
    response: DescribeLogDirsResponse = world.ask(
        DescribeLogDirsRequest(topics), version
    ).response()
    return response


@pytest.mark.semantics("84a", "84b")
@pytest.mark.parametrize("version", range(1, 5))
def test_all_topics_with_their_bytes(world: World, version: int) -> None:
    (one,) = described(world, None, version).results
    assert (one.error_code, one.log_dir) == (0, str(world.config.data_dir))
    sizes = {
        (t.name, p.partition_index): p.partition_size for t in one.topics for p in t.partitions
    }
    assert set(sizes) == {("t", 0), ("t", 1), ("u", 0)}
    assert sizes["t", 0] == sizes["u", 0] == 0
    assert sizes["t", 1] == world.broker.partition("t", 1).log.size_bytes > 500
    if version >= 4:
        assert 0 < one.usable_bytes <= one.total_bytes


def test_only_what_was_asked_and_is_there(world: World) -> None:
    asked = [DescribeLogDirsRequestTopic("t", [1, 9]), DescribeLogDirsRequestTopic("no", [0])]
    (one,) = described(world, asked).results
    assert [(t.name, [p.partition_index for p in t.partitions]) for t in one.topics] == [("t", [1])]


def test_sizes_are_known_of_partitions_that_are_not_open(world: World) -> None:
    before = described(world, None)
    world.restart(lambda one: one.broker.close())
    assert not world.broker.open_partitions()
    assert described(world, None).results[0].topics == before.results[0].topics


def test_it_takes_describe_on_the_cluster(world: World) -> None:
    world.session.principal = "User:nobody"
    response = described(world, None)
    assert response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert not response.results
