"""CreatePartitions decided, and where replicas are placed."""

from random import Random

import pytest

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.partitions import decide_create_partitions
from data_plane.metadata.placement import InvalidReplicationFactor, place
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.create_partitions import (
    CreatePartitionsRequestAssignment,
    CreatePartitionsRequestTopic,
    CreatePartitionsResponseResult,
)
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    codes,
    refusal,
    scope_of,
    topic,
    with_topics,
)

Asked = CreatePartitionsRequestTopic
Results = Decision[list[CreatePartitionsResponseResult]]


def grow(image: MetadataImage, *topics: Asked, validate_only: bool = False) -> Results:
    return decide_create_partitions(
        image,
        topics,
        rng=Random(1),
        values=lambda name: scope_of(image).topic_values(image.topic_configs(name)),
        validate_only=validate_only,
    )


def assigned(*replicas: tuple[int, ...], count: int) -> Asked:
    return Asked("a", count, [CreatePartitionsRequestAssignment(ids) for ids in replicas])


def test_a_topic_grows_and_keeps_what_it_has() -> None:
    image = with_topics(cluster(broker(1), broker(2)), topic("a", 2, 2))
    decision = grow(image, Asked("a", 5))
    assert codes(decision.response) == [0]
    grown = after(image, decision).topics["a"]
    assert [partition.partition_index for partition in grown.partitions] == [0, 1, 2, 3, 4]
    assert grown.partitions[:2] == image.topics["a"].partitions
    assert {len(partition.replicas) for partition in grown.partitions} == {2}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (Asked("zz", 5), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (Asked("a", 2), ErrorCode.INVALID_PARTITIONS),
        (Asked("a", 1), ErrorCode.INVALID_PARTITIONS),
        (Asked("a", -1), ErrorCode.INVALID_PARTITIONS),
        (Asked("a", 2**31 - 1), ErrorCode.POLICY_VIOLATION),
        (assigned((1,), count=4), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((1, 2), count=3), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((9,), count=3), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((), count=3), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (Asked("__consumer_offsets", 9), ErrorCode.INVALID_REQUEST),
    ],
)
def test_refusals(asked: Asked, code: ErrorCode) -> None:
    image = with_topics(cluster(broker(1), broker(2)), topic("a", 2), topic("__consumer_offsets"))
    decision = grow(image, asked)
    assert codes(decision.response) == [code]
    assert decision.response[0].error_message
    assert not decision.records


def test_a_topic_named_twice_is_refused() -> None:
    decision = grow(with_topics(cluster(), topic("a")), Asked("a", 2), Asked("a", 3))
    assert codes(decision.response) == [ErrorCode.INVALID_REQUEST] * 2


def test_validate_only_writes_nothing() -> None:
    decision = grow(with_topics(cluster(), topic("a")), Asked("a", 2), validate_only=True)
    assert codes(decision.response) == [0]
    assert not decision.records


def test_a_refused_topic_does_not_hold_up_the_others() -> None:
    image = with_topics(cluster(), topic("a"), topic("b"))
    decision = decide_create_partitions(
        image,
        [Asked("a", 2), Asked("b", 2)],
        rng=Random(1),
        values=lambda _: scope_of(image).topic_values({}),
        refused={"a": refusal(ErrorCode.TOPIC_AUTHORIZATION_FAILED)},
    )
    assert codes(decision.response) == [ErrorCode.TOPIC_AUTHORIZATION_FAILED, 0]


@pytest.mark.semantics("80a")
@pytest.mark.parametrize("seed", range(30))
def test_placement_is_even_and_spreads_over_racks(seed: int) -> None:
    """Leaders go round; no broker twice in a partition; as many racks as there are replicas."""
    rng = Random(seed)
    racks = rng.randrange(1, 4)
    brokers = [broker(index, f"rack-{index % racks}") for index in range(racks * 2)]
    replication_factor = rng.randrange(1, len(brokers) + 1)
    count = len(brokers) * 3
    placed = place(brokers, partition_count=count, replication_factor=replication_factor, rng=rng)
    leaders = [replicas[0] for replicas in placed]
    assert {leaders.count(each.broker_id) for each in brokers} == {3}
    rack_of = {each.broker_id: each.rack for each in brokers}
    for replicas in placed:
        assert len(set(replicas)) == replication_factor
        assert len({rack_of[each] for each in replicas}) == min(racks, replication_factor)


def test_placement_refuses_more_replicas_than_brokers() -> None:
    with pytest.raises(InvalidReplicationFactor):
        place([], partition_count=1, replication_factor=1, rng=Random(1))
