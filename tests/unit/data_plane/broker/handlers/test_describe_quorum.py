"""DescribeQuorum: one voter that leads itself, in every version."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartition,
    DescribeQuorumRequestTopic,
)
from tests.unit.data_plane.broker.handlers.admin_broker import StandIn


def asked(topic: str, index: int) -> DescribeQuorumRequest:
    partition = DescribeQuorumRequestPartition(index)
    return DescribeQuorumRequest([DescribeQuorumRequestTopic(topic, [partition])])


@pytest.mark.parametrize("version", range(3))
def test_the_quorum(version: int) -> None:
    broker = StandIn()
    broker.create("flights")
    response = broker.ask(asked("__cluster_metadata", 0), version)
    (partition,) = response.topics[0].partitions
    assert (partition.error_code, partition.leader_id) == (0, 1)
    assert partition.leader_epoch == broker.image.term
    assert partition.high_watermark == broker.image.offset + 1
    (voter,) = partition.current_voters
    assert (voter.replica_id, voter.log_end_offset) == (1, broker.image.offset + 1)
    if version == 2:
        assert voter.replica_directory_id == broker.image.brokers[1].directory_id
        assert [(node.node_id, node.listeners[0].name) for node in response.nodes] == [(1, "TLS")]


@pytest.mark.parametrize(("topic", "index"), [("flights", 0), ("__cluster_metadata", 1)])
def test_nothing_else_has_a_quorum(topic: str, index: int) -> None:
    response = StandIn().ask(asked(topic, index), 2)
    (partition,) = response.topics[0].partitions
    assert partition.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
