"""Whom Metadata and DescribeCluster name while brokers come and go: somebody who is there."""

from typing import Any

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_cluster import DescribeClusterRequest
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.unit.data_plane.broker.cluster_world import TOPIC, ClusterWorld

ASKED = [(MetadataRequest(topics=None), 12), (DescribeClusterRequest(), 1)]
MISSING = MetadataRequestTopic(name="missing")
IDS = ["Metadata", "DescribeCluster"]


def name(row: Any) -> int:
    """A broker's id, as either API calls it."""
    found: int = row.node_id if hasattr(row, "node_id") else row.broker_id
    return found


def ask(world: ClusterWorld, broker_id: int, asked: tuple[object, int]) -> tuple[int, list[int]]:
    """The controller that a broker names, and the brokers that it lists."""
    response = world.ask(broker_id, *asked).response()
    return response.controller_id, [name(row) for row in response.brokers]


def restarted() -> ClusterWorld:
    """All three brokers have come back, and none is let in yet."""
    world = ClusterWorld()
    world.create_topic(3)
    for broker_id in range(3):
        world.kill(broker_id)
    for broker_id in range(3):
        world.restart(broker_id)
    world.tell([])
    return world


@pytest.mark.parametrize("asked", ASKED, ids=IDS)
def test_a_broker_that_answers_lists_itself_while_all_are_fenced(asked: tuple[object, int]) -> None:
    """librdkafka that is told of no broker at all says "no usable brokers" and never returns."""
    world = restarted()
    assert not world.image.live_brokers()
    for broker_id in range(3):
        assert ask(world, broker_id, asked) == (broker_id, [broker_id])
    world.unfence(1)
    world.tell([])
    assert ask(world, 0, asked) == (0, [0, 1])
    assert ask(world, 1, asked) == (1, [1])


@pytest.mark.parametrize("asked", ASKED, ids=IDS)
def test_the_controller_that_is_named_is_live_and_listed(asked: tuple[object, int]) -> None:
    """Clients wait for the broker named; any broker passes on what is sent to it."""
    world = ClusterWorld()
    everyone = [0, 1, 2]
    for controller_id, shown_id in ((2, 2), (None, 0), (99, 0)):
        world.nodes[0].metadata.controller_id = controller_id
        assert ask(world, 0, asked) == (shown_id, everyone)
    world.nodes[0].metadata.controller_id = 2
    world.fence(2)
    world.tell([])
    assert ask(world, 0, asked) == (0, [0, 1])


def test_brokers_are_listed_where_nobody_can_create_what_is_missing() -> None:
    """The quorum has lost its majority; the topic will be there once it leads again."""
    world = ClusterWorld(auto_create_topics_enable="true")
    world.create_topic()
    world.nodes[0].metadata.controller_id = 2  # It leads the quorum, and may decide nothing.
    sent = world.ask(0, MetadataRequest([MetadataRequestTopic(name=TOPIC), MISSING]), 12)
    world.settle()
    for _ in range(10):
        world.settle(ms=1_000)
    response = sent.response()
    assert [row.node_id for row in response.brokers] == [0, 1, 2]
    assert response.controller_id == 2
    assert [(row.name, row.error_code) for row in response.topics] == [
        (TOPIC, ErrorCode.NONE),
        (MISSING.name, ErrorCode.LEADER_NOT_AVAILABLE),
    ]


def test_what_is_remembered_of_topics_follows_who_is_let_in() -> None:
    world = restarted()
    request = MetadataRequest(topics=None)

    def offline(broker_id: int) -> set[int]:
        (topic,) = world.ask(broker_id, request, 12).response().topics
        assert topic.name == TOPIC
        return {each for row in topic.partitions for each in row.offline_replicas}

    assert offline(0) == {0, 1, 2}
    for broker_id, left in ((0, {1, 2}), (1, {2}), (2, set())):
        world.unfence(broker_id)
        world.tell([])
        assert offline(0) == left
