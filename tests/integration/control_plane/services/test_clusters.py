"""What clusters say of themselves, and where their brokers go."""

from collections import Counter

import pytest

from control_plane.domain.errors import Gone, NotFound
from control_plane.domain.health import SILENCE, Health
from control_plane.models import App, Cluster, ClusterBroker
from control_plane.services import clusters, nodes
from tests.factories.control_plane import World
from tests.fakes.scripted_agent import ScriptedAgent


def wait_status(world: World, cluster: Cluster) -> clusters.WaitStatus:
    with world.sessions() as session:
        found = session.get_one(Cluster, cluster.id)
        return clusters.wait_status(session, found, now=world.now)


def test_waiting_ends_with_available(world: World) -> None:
    world.register_node()
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    cluster = world.cluster(addon.id)
    assert wait_status(world, cluster) == clusters.WaitStatus(True, False, False, "creating")
    world.settle(operation.id)
    assert wait_status(world, cluster) == clusters.WaitStatus(False, False, True, "available")


def test_waiting_ends_with_a_failure_and_its_reason(world: World) -> None:
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    world.settle(operation.id, seconds=10)
    status = wait_status(world, world.cluster(addon.id))
    assert (status.is_waiting, status.is_failed) == (False, True)
    assert "no node with room" in status.message


def test_a_silent_node_makes_health_unknown(world: World) -> None:
    cluster = world.cluster(world.provisioned().id)
    world.wait(SILENCE.total_seconds() + 1)
    with world.sessions() as session:
        assert clusters.health(session, cluster, now=world.now)[0] is Health.UNKNOWN
    world.report()
    with world.sessions() as session:
        assert clusters.health(session, cluster, now=world.now)[0] is Health.HEALTHY


def test_found_by_its_addon_until_that_is_gone(world: World) -> None:
    addon = world.provisioned()
    with world.sessions() as session:
        account = session.get_one(App, addon.app_id).account
        for text in (str(addon.id), addon.name):
            assert clusters.get(session, account, text).addon_id == addon.id
        with pytest.raises(NotFound):
            clusters.get(session, account, "nothing")
    operation = world.destroy(addon.id)
    assert operation is not None
    world.settle(operation.id)
    with world.sessions() as session, pytest.raises(Gone):
        clusters.get(session, account, str(addon.id))


def test_brokers_are_spread_and_full_nodes_left_alone(world: World) -> None:
    """Seven ports are two brokers of three: two such nodes take four clusters, and no fifth."""
    account = world.add_account()
    app = world.add_app(account)
    for name in ("node-1", "node-2"):
        agent = ScriptedAgent(name=name, port_first=100, port_last=106)
        with world.sessions.begin() as session:
            token = nodes.invite(session, now=world.now)
            node = nodes.register(session, agent.registration(), token=token, now=world.now)
            node.last_report_at = world.now
    placed = []
    for _ in range(5):
        addon, _ = world.add_addon(app)
        with world.sessions.begin() as session:
            cluster = session.get_one(Cluster, world.cluster(addon.id).id)
            has_room = clusters.place(session, cluster, now=world.now, silence=SILENCE)
            again = clusters.place(session, cluster, now=world.now, silence=SILENCE)
            assert again == has_room
            placed.append(has_room)
    assert placed == [True, True, True, True, False]
    with world.sessions() as session:
        brokers = session.query(ClusterBroker.node_id).all()
    assert sorted(Counter(brokers).values()) == [2, 2]


def test_a_cluster_of_three_needs_a_node_with_room_for_all(world: World) -> None:
    """Brokers of one cluster talk through socket files, so two half-full nodes will not do."""
    app = world.add_app(world.add_account())
    for name, port_last in (("small-1", 106), ("small-2", 106), ("large", 108)):
        agent = ScriptedAgent(name=name, port_first=100, port_last=port_last)
        with world.sessions.begin() as session:
            token = nodes.invite(session, now=world.now)
            node = nodes.register(session, agent.registration(), token=token, now=world.now)
            node.last_report_at = world.now
            large_id = node.id
    for has_room in (True, False):
        addon, _ = world.add_addon(app, plan="standard-0")
        with world.sessions.begin() as session:
            cluster = session.get_one(Cluster, world.cluster(addon.id).id)
            assert clusters.place(session, cluster, now=world.now, silence=SILENCE) == has_room
    with world.sessions() as session:
        placed = session.query(ClusterBroker.broker_id, ClusterBroker.node_id).all()
    assert sorted(map(tuple, placed)) == [(0, large_id), (1, large_id), (2, large_id)]
