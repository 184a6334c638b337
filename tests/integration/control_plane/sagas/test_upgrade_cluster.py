"""A cluster's software, from the request to the agents and back."""

import uuid

import pytest

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.errors import Conflict, Gone, Invalid
from control_plane.domain.states import OperationState
from control_plane.models import Cluster, Operation
from control_plane.services import upgrades
from tests.factories.control_plane import World
from tests.integration.control_plane.sagas import scenarios


def begin(world: World, cluster_id: uuid.UUID, version: str | None = None) -> Operation | None:
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, cluster_id)
        return upgrades.begin(session, cluster, version=version, now=world.now)


@pytest.fixture
def cluster_id(world: World) -> uuid.UUID:
    """A cluster whose node has newer software than its brokers run."""
    return scenarios.outdated(world)


def spec_version(world: World) -> str:
    assert world.agent.spec is not None
    (cluster,) = world.agent.spec.clusters
    return cluster.software_version


def test_brokers_are_rolled_and_the_choice_stays(world: World, cluster_id: uuid.UUID) -> None:
    operation = begin(world, cluster_id, "2")
    assert operation is not None
    again = begin(world, cluster_id, "2")
    assert again is not None
    assert again.id == operation.id, "a repeated request"
    with pytest.raises(Conflict):
        begin(world, cluster_id, "3")
    assert world.settle(operation.id).state == OperationState.SUCCEEDED
    assert (spec_version(world), world.agent.running) == ("2", "2")
    assert begin(world, cluster_id, "2") is None
    world.agent.version = "3"
    world.report()
    assert world.agent.running == "2", "newer software on the node rolls nothing by itself"
    newest = begin(world, cluster_id)
    assert newest is not None
    assert world.settle(newest.id).state == OperationState.SUCCEEDED
    assert world.agent.running == "3"


def test_a_roll_that_stops_says_why_and_is_given_up_at_last(
    world: World, cluster_id: uuid.UUID
) -> None:
    world.agent.roll_problem = "Broker 1 does not come up."
    operation = begin(world, cluster_id)
    assert operation is not None
    ended = world.settle(operation.id, seconds=2 * 3600)
    assert ended.state == OperationState.FAILED
    assert "Broker 1 does not come up." in ended.reason
    world.report()
    assert spec_version(world) == "1"
    with world.sessions() as session:
        assert session.get_one(Cluster, cluster_id).state == ClusterState.AVAILABLE


def test_only_what_all_nodes_have_can_be_chosen(world: World, cluster_id: uuid.UUID) -> None:
    with pytest.raises(Invalid, match=r"have 2\. Version 9 can be chosen once"):
        begin(world, cluster_id, "9")
    world.agent.version = ""
    world.report()
    with pytest.raises(Invalid, match="have not said yet"):
        begin(world, cluster_id)


def test_an_addon_that_goes_is_not_upgraded(world: World, cluster_id: uuid.UUID) -> None:
    with world.sessions() as session:
        addon_id = session.get_one(Cluster, cluster_id).addon_id
    world.destroy(addon_id)
    with pytest.raises(Gone):
        begin(world, cluster_id)
