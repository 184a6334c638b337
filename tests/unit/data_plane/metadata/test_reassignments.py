"""AlterPartitionReassignments: new orders at once, everything else refused in Kafka's words."""

from collections.abc import Sequence

import pytest

from data_plane.metadata.reassignments import decide_alter_reassignments
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic,
)
from tests.unit.data_plane.metadata.worlds import after, broker, cluster, topic, with_topics

IMAGE = with_topics(cluster(broker(1), broker(2), broker(3)), topic("flights", 1, 2))
REPLICAS = tuple(IMAGE.topics["flights"].partitions[0].replicas)
ABSENT = next(each for each in (1, 2, 3) if each not in REPLICAS)


def asked(
    replicas: Sequence[int] | None, index: int = 0, name: str = "flights"
) -> AlterPartitionReassignmentsRequestTopic:
    partition = AlterPartitionReassignmentsRequestPartition(index, replicas)
    return AlterPartitionReassignmentsRequestTopic(name, [partition])


@pytest.mark.semantics("79d")
@pytest.mark.parametrize(
    ("request_topic", "code"),
    [
        (asked(None), ErrorCode.NO_REASSIGNMENT_IN_PROGRESS),
        (asked([]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked([REPLICAS[0]] * 2), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked([9]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked([REPLICAS[0], ABSENT]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked(REPLICAS[:1]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked(REPLICAS, index=5), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (asked(REPLICAS, name="nothing"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (asked(REPLICAS), 0),
    ],
)
def test_what_moves_nothing(
    request_topic: AlterPartitionReassignmentsRequestTopic, code: int
) -> None:
    decision = decide_alter_reassignments(IMAGE, [request_topic])
    assert [row.error_code for row in decision.response[0].partitions] == [code]
    assert not decision.records


def test_a_new_order_is_taken_at_once() -> None:
    decision = decide_alter_reassignments(IMAGE, [asked(REPLICAS[::-1])])
    assert [row.error_code for row in decision.response[0].partitions] == [0]
    before = IMAGE.topics["flights"].partitions[0]
    now = after(IMAGE, decision).topics["flights"].partitions[0]
    assert tuple(now.replicas) == REPLICAS[::-1]
    assert (now.leader, now.leader_epoch) == (before.leader, before.leader_epoch)
    assert now.partition_epoch == before.partition_epoch + 1
