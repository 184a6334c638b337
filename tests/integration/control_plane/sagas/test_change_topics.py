"""Topics from the request to the brokers and back."""

import uuid

import pytest

from control_plane.domain.errors import Conflict, Gone, Invalid, NotFound, PlanLimit
from control_plane.domain.states import OperationState, TopicState
from control_plane.models import Cluster, Topic
from control_plane.services import specs, topics
from tests.factories.control_plane import World
from tests.integration.control_plane.sagas import scenarios

HOUR_MS = 3_600_000


@pytest.fixture
def cluster_id(world: World) -> uuid.UUID:
    return world.cluster(world.provisioned().id).id


def topic_named(world: World, cluster_id: uuid.UUID, name: str) -> Topic:
    with world.sessions() as session:
        return topics.get(session, session.get_one(Cluster, cluster_id), name)


def test_a_topic_becomes_available_with_one_report(world: World, cluster_id: uuid.UUID) -> None:
    topic, operation = world.add_topic(cluster_id, "departures")
    assert topic.state == TopicState.CREATING
    world.run(operation.id)
    assert world.report() == [operation.id]
    world.run(operation.id)  # the clock has not moved
    assert world.operation(operation.id).state == OperationState.SUCCEEDED
    assert topic_named(world, cluster_id, "departures").state == TopicState.AVAILABLE
    assert world.agent.spec is not None
    (made,) = world.agent.spec.clusters[0].topics
    assert (made.name, made.partition_count, made.replication_factor) == ("departures", 8, 1)
    assert made.configs == {
        "cleanup.policy": "delete",
        "retention.ms": str(24 * HOUR_MS),
        "min.insync.replicas": "1",  # raised once a growing plan has its replicas
    }


def test_a_failed_topic_says_why_and_gives_its_name_back(
    world: World, cluster_id: uuid.UUID
) -> None:
    world.agent.topic_error = "The disk is full."
    _, operation = world.add_topic(cluster_id, "departures")
    ended = world.settle(operation.id, seconds=5)
    assert ended.state == OperationState.FAILED
    assert "The disk is full." in ended.reason
    failed = topic_named(world, cluster_id, "departures")
    assert (failed.state, failed.error) == (TopicState.FAILED, ended.reason)
    world.report()
    assert world.agent.spec is not None
    assert world.agent.spec.clusters[0].topics == []
    world.agent.topic_error = ""
    _, again = world.add_topic(cluster_id, "departures")
    assert world.settle(again.id).state == OperationState.SUCCEEDED


def test_settings_change_and_a_failed_change_is_taken_back(world: World) -> None:
    operation_id = scenarios.alter_topic(world)
    assert world.settle(operation_id).state == OperationState.SUCCEEDED
    with world.sessions.begin() as session:
        cluster = session.query(Cluster).one()
        topic = topics.get(session, cluster, "departures")
        assert (topic.state, topic.retention_ms) == (TopicState.AVAILABLE, 2 * HOUR_MS)
        _, second = topics.alter(
            session, cluster, topic, retention_ms=None, is_compacted=True, now=world.now
        )
    assert second is not None
    world.agent.topic_error = "No."
    assert world.settle(second.id, seconds=5).state == OperationState.FAILED
    topic = topic_named(world, cluster.id, "departures")
    assert (topic.state, topic.retention_ms, topic.is_compacted) == (
        "available",
        2 * HOUR_MS,
        False,
    )
    assert "No." in topic.error


def test_the_same_settings_are_no_change(world: World, cluster_id: uuid.UUID) -> None:
    world.settle(world.add_topic(cluster_id, "departures")[1].id)
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, cluster_id)
        topic = topics.get(session, cluster, "departures")
        same = topic.retention_ms
        assert topics.alter(
            session, cluster, topic, retention_ms=same, is_compacted=False, now=world.now
        ) == (topic, None)


def test_a_deleted_topic_is_gone(world: World) -> None:
    operation_id = scenarios.delete_topic(world)
    assert world.settle(operation_id).state == OperationState.SUCCEEDED
    with world.sessions.begin() as session:
        cluster = session.query(Cluster).one()
        assert topics.of_cluster(session, cluster) == []
        with pytest.raises(NotFound):
            topics.get(session, cluster, "departures")


def test_deleting_twice_is_one_operation(world: World, cluster_id: uuid.UUID) -> None:
    world.settle(world.add_topic(cluster_id, "departures")[1].id)
    found = set()
    for _ in range(2):
        with world.sessions.begin() as session:
            cluster = session.get_one(Cluster, cluster_id)
            topic = topics.get(session, cluster, "departures")
            _, operation = topics.destroy(session, cluster, topic, now=world.now)
            assert operation is not None
            found.add(operation.id)
    assert len(found) == 1


def test_two_topics_at_once_do_not_wait_for_each_other(world: World, cluster_id: uuid.UUID) -> None:
    """Each is done when its own topic is there, in whatever order."""
    started = [world.add_topic(cluster_id, name)[1].id for name in ("a", "b", "c")]
    for operation_id in started:
        world.run(operation_id)
    assert sorted(world.report()) == sorted(started)
    for operation_id in started:
        world.run(operation_id)
        assert world.operation(operation_id).state == OperationState.SUCCEEDED


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"replication_factor": 3}, "The next plan that allows it is standard-0"),
        ({"retention_ms": 8 * 24 * HOUR_MS}, "The next plan that allows it is standard-0"),
        ({"partition_count": 201}, "1 to 200 partitions"),
        ({"partition_count": 0}, "1 to 200 partitions"),
        ({"retention_ms": HOUR_MS // 2}, "at least 1h, not 30m"),
        ({"replication_factor": 0}, "at least 1"),
    ],
)
def test_a_shape_the_plan_does_not_allow(
    shape: dict[str, int], message: str, world: World, cluster_id: uuid.UUID
) -> None:
    with pytest.raises(Invalid) as refused:
        world.add_topic(cluster_id, "departures", **shape)
    assert message in refused.value.message
    with world.sessions() as session:
        assert session.query(Topic).count() == 0


def test_partition_replicas_of_all_topics_count(world: World, cluster_id: uuid.UUID) -> None:
    world.add_topic(cluster_id, "large", partition_count=195)
    with pytest.raises(
        PlanLimit, match="at most 200 partition replicas; with this topic there would be 203"
    ):
        world.add_topic(cluster_id, "small", partition_count=8)
    world.add_topic(cluster_id, "fits", partition_count=5)


def test_names_that_stand_in_the_way(world: World, cluster_id: uuid.UUID) -> None:
    world.add_topic(cluster_id, "flight.delays")
    with pytest.raises(Conflict, match="already exists"):
        world.add_topic(cluster_id, "flight.delays")
    with pytest.raises(Conflict, match=r"collide with flight\.delays"):
        world.add_topic(cluster_id, "flight_delays")
    with pytest.raises(Invalid, match="not a topic name"):
        world.add_topic(cluster_id, "flight/delays")


def test_a_cluster_must_be_there(world: World) -> None:
    world.register_node()
    addon, _ = world.add_addon(world.add_app(world.add_account()))
    cluster = world.cluster(addon.id)
    with pytest.raises(Conflict, match="not available yet"):
        world.add_topic(cluster.id, "departures")
    world.destroy(addon.id)
    with pytest.raises(Gone):
        world.add_topic(cluster.id, "departures")


def test_every_change_grows_the_generation(world: World, cluster_id: uuid.UUID) -> None:
    """Nodes refuse older documents, so a generation is never given twice."""
    seen = []
    for name in ("a", "b"):
        world.settle(world.add_topic(cluster_id, name)[1].id)
        with world.sessions() as session:
            seen.append(specs.latest_generation(session, uuid.UUID(world.agent.node_id)))
    assert seen[0] < seen[1]
