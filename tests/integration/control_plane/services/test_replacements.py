"""A node that is lost for good: when that is believed, what is moved where, and what is told."""

import uuid

import pytest

from control_plane.domain.health import Health
from control_plane.domain.placement import PEER_PORTS, PORTS_PER_BROKER
from control_plane.models import Cluster, ClusterBroker, Operation
from control_plane.services import clusters, replacements
from data_plane.contract.spec import ClusterSpec
from tests.factories.control_plane import World
from tests.fakes.scripted_agent import ScriptedAgent
from tests.integration.control_plane.sagas.scenarios import LOST_AFTER, lose_node, replace_node


def begin(world: World, cluster_id: uuid.UUID) -> Operation | None:
    with world.sessions.begin() as session:
        return replacements.begin(session, cluster_id, now=world.now, lost_after=LOST_AFTER)


def said(world: World, cluster_id: uuid.UUID) -> tuple[Health, str]:
    with world.sessions() as session:
        return clusters.health(session, session.get_one(Cluster, cluster_id), now=world.now)


def spec_of(agent: ScriptedAgent) -> ClusterSpec:
    assert agent.spec is not None
    (spec,) = agent.spec.clusters
    return spec


def test_its_broker_comes_up_elsewhere_under_another_directory(world: World) -> None:
    cluster = lose_node(world)
    lost, spare = world.others[1], world.others[2]
    (moved,) = spec_of(lost).brokers
    was = {one.broker_id: one for one in spec_of(world.agent).members}[moved.broker_id]
    with world.sessions() as session:
        assert replacements.wanted(session, now=world.now, lost_after=LOST_AFTER) == [cluster.id]
    operation = begin(world, cluster.id)
    assert operation is not None
    assert begin(world, cluster.id) is None
    world.settle(operation.id)
    world.report()
    assert said(world, cluster.id) == (Health.HEALTHY, "All brokers are ready.")
    (broker,) = spec_of(spare).brokers
    assert (broker.broker_id, broker.is_candidate) == (moved.broker_id, False)
    member = {one.broker_id: one for one in spec_of(world.agent).members}[moved.broker_id]
    assert member.directory_id != was.directory_id
    assert (member.is_first_voter, member.quorum_port) == (
        True,
        broker_port(spare, broker.broker_id),
    )
    assert member.formed_as is not None
    assert (member.formed_as.directory_id, member.formed_as.quorum_port) == (
        was.directory_id,
        was.quorum_port,
    )
    assert begin(world, cluster.id) is None
    lost.is_silent = False  # it is back after all: it has to let go
    world.report()
    world.report()
    assert lost.spec is not None
    assert lost.spec.clusters == []


def broker_port(agent: ScriptedAgent, broker_id: int) -> int:
    """As the scripted agent gives them: of each pair, the lower one is the quorum's."""
    return agent.port_last - 2 * broker_id - 1


def test_silence_alone_is_not_a_loss(world: World) -> None:
    """Its agent may be gone and its broker serve on: the cluster's word is asked."""
    cluster = lose_node(world)
    for agent in (world.agent, *world.others):
        agent.dead = set()
    world.report()
    assert begin(world, cluster.id) is None
    for agent in (world.agent, *world.others):
        agent.dead = {2}
    assert begin(world, cluster.id) is None  # nobody has said so yet
    world.report()
    world.others[1].is_silent = False
    world.report()
    assert begin(world, cluster.id) is None
    with world.sessions() as session:
        assert replacements.wanted(session, now=world.now, lost_after=LOST_AFTER) == []


def test_without_room_it_waits_and_says_for_what(world: World) -> None:
    cluster = lose_node(world)
    with world.sessions.begin() as session:
        for row in session.query(ClusterBroker):
            row.node.port_last = row.node.port_first + PORTS_PER_BROKER + PEER_PORTS - 1
    full = world.others.pop()  # the fourth is no help: it has gone silent, too
    operation = begin(world, cluster.id)
    assert operation is not None
    world.wait(30)
    world.report()
    world.run(operation.id)
    reason = world.operation(operation.id).reason
    assert reason.startswith("no other node that reports has room for broker 2 of node node-3")
    assert "start an agent on another machine, or bring node-3 back" in reason
    health, sentence = said(world, cluster.id)
    assert health is Health.DEGRADED
    assert sentence.endswith(f"moves to another: {reason}.")
    world.others.append(full)
    world.report()
    assert world.settle(operation.id).state == "succeeded"


def test_a_node_that_comes_back_in_time_keeps_its_broker(world: World) -> None:
    operation_id = replace_node(world)
    world.others[1].is_silent = False
    world.report()
    ended = world.settle(operation_id)
    assert (ended.state, ended.reason) == (
        "failed",
        "node node-3 reports again, so nothing was moved",
    )
    assert [broker.broker_id for broker in spec_of(world.others[1]).brokers] == [2]


def test_a_lost_majority_is_told(world: World) -> None:
    operation_id = replace_node(world)
    world.others[0].is_silent = True
    world.wait(30)
    world.report()
    world.run(operation_id)
    assert world.operation(operation_id).reason == (
        "2 of 3 brokers that vote on the cluster's metadata are silent, so that it can take no "
        "other in: bring node-2 or node-3 back"
    )


def test_what_is_being_changed_is_not_replaced_meanwhile(world: World) -> None:
    cluster = lose_node(world)
    assert world.change_plan(cluster.addon_id, "standard-1") is not None
    assert begin(world, cluster.id) is None


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_destroyed_cluster_waits_for_no_lost_node_that_was_replaced(
    world: World, *, is_replaced: bool
) -> None:
    cluster = lose_node(world)
    if is_replaced:
        operation = begin(world, cluster.id)
        assert operation is not None
        world.settle(operation.id)
    destroying = world.destroy(cluster.addon_id)
    assert destroying is not None
    ended = world.settle(destroying.id, seconds=5)
    assert ended.state == ("succeeded" if is_replaced else "failed")
