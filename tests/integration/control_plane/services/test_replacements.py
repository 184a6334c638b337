"""A node that is lost for good: when that is believed, what is moved where, and what is told."""

import uuid

import pytest

from control_plane.dashboard.clusters import cluster_view
from control_plane.domain.health import Health
from control_plane.domain.placement import PEER_PORTS, PORTS_PER_BROKER
from control_plane.models import Cluster, ClusterBroker, Operation
from control_plane.services import clusters, operations, replacements, upgrades
from data_plane.contract.spec import ClusterSpec
from tests.factories.control_plane import World
from tests.fakes.scripted_agent import ScriptedAgent
from tests.integration.control_plane.sagas import scenarios
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


def test_a_change_that_waits_for_a_lost_broker_ends_by_the_replacement_beside_it(
    world: World,
) -> None:
    cluster = lose_node(world)
    change = world.change_plan(cluster.addon_id, "standard-1")
    assert change is not None
    world.run(change.id)
    waiting = world.operation(change.id)
    assert (waiting.step, waiting.state) == ("await_brokers", "running")
    assert waiting.reason.startswith("node node-3 does not report: bring it back, or")
    replacement = begin(world, cluster.id)
    assert replacement is not None
    assert world.settle(replacement.id).state == "succeeded"
    assert world.settle(change.id).state == "succeeded"
    after = world.cluster(cluster.addon_id)
    assert (after.plan, after.state) == ("standard-1", "available")
    assert said(world, cluster.id) == (Health.HEALTHY, "All brokers are ready.")


def test_places_that_are_only_reserved_are_not_moved(world: World) -> None:
    operation_id = scenarios.grow(world)
    for agent in world.others:
        agent.has_no_ports = True
    world.run(operation_id)
    world.report()
    world.run(operation_id)
    assert world.operation(operation_id).step == "await_addresses"
    cluster_id = world.operation(operation_id).cluster_id
    for agent in world.others:
        agent.is_silent = True
    world.wait(LOST_AFTER.total_seconds() + 1)
    world.report()
    assert begin(world, cluster_id) is None
    assert world.settle(operation_id, seconds=5).state == "failed"


def test_a_new_broker_lost_on_the_way_into_the_cluster_is_placed_elsewhere(world: World) -> None:
    """One broker becomes three, and the node of one of the new ones goes before it serves."""
    replacement_id = scenarios.replace_in_growth(world)
    cluster_id = world.operation(replacement_id).cluster_id
    with world.sessions() as session:
        live = {each.kind: each.id for each in operations.live_on(session, cluster_id)}
    assert live.keys() == {operations.CHANGE_PLAN, operations.REPLACE_NODE}
    world.run(live[operations.CHANGE_PLAN])
    assert world.operation(live[operations.CHANGE_PLAN]).state == "running"
    assert world.settle(replacement_id).state == "succeeded"
    assert world.settle(live[operations.CHANGE_PLAN]).state == "succeeded"
    with world.sessions() as session:
        cluster = session.get_one(Cluster, cluster_id)
        assert (cluster.plan, cluster.state) == ("standard-0", "available")
        names = {row.node.name for row in cluster.brokers}
        assert names == {"node-1", "node-2", "node-4"}


def test_what_waits_for_long_is_told_as_stuck_and_goes_on_by_itself(world: World) -> None:
    """Nobody is kept waiting for what only a person can bring: here another machine."""
    cluster = lose_node(world)
    full = world.others.pop()
    full.is_silent = True
    change = world.change_plan(cluster.addon_id, "standard-1")
    assert change is not None
    world.wait(30)
    world.report()
    world.run(change.id)
    assert waits(world, cluster.id) == (True, False)
    world.wait(operations.STUCK_AFTER.total_seconds())
    world.report()
    world.run(change.id)
    assert waits(world, cluster.id) == (False, True)
    assert "The change of plan is stuck: node node-3 does not" in said(world, cluster.id)[1]
    with world.sessions() as session:
        seen = cluster_view(session, session.get_one(Cluster, cluster.id), now=world.now)
    assert (seen.state.word, seen.state.tone) == ("Stuck", "warn")
    assert "The change of plan is stuck: node node-3 does not" in seen.reasons[0]
    assert [
        one.state.word for one in seen.operations if one.title.startswith("Change the plan")
    ] == ["Stuck"]
    full.is_silent = False
    world.others.append(full)
    world.report()
    replacement = begin(world, cluster.id)
    assert replacement is not None
    world.settle(replacement.id)
    assert world.settle(change.id).state == "succeeded"
    assert waits(world, cluster.id) == (False, False)


def waits(world: World, cluster_id: uuid.UUID) -> tuple[bool, bool]:
    """Whether `kafka:wait` goes on, and whether it ends with a failure."""
    with world.sessions() as session:
        cluster = session.get_one(Cluster, cluster_id)
        status = clusters.wait_status(session, cluster, now=world.now)
        return status.is_waiting, status.is_failed


def test_an_upgrade_that_waits_for_a_lost_broker_ends_by_the_replacement(world: World) -> None:
    cluster = lose_node(world)
    for agent in (world.agent, *world.others):
        agent.version = "2"
    world.report()
    with world.sessions.begin() as session:
        for row in session.get_one(Cluster, cluster.id).brokers:
            row.node.agent_version = "2"  # The lost node had it, too.
    with world.sessions.begin() as session:
        found = session.get_one(Cluster, cluster.id)
        upgrade = upgrades.begin(session, found, version="2", now=world.now)
    assert upgrade is not None
    world.run(upgrade.id)
    assert world.operation(upgrade.id).state == "running"
    replacement = begin(world, cluster.id)
    assert replacement is not None
    assert world.settle(replacement.id).state == "succeeded"
    assert world.settle(upgrade.id).state == "succeeded"


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
