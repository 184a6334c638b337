"""What clusters say of themselves, and where their brokers go."""

from collections import Counter

import pytest
from sqlalchemy.orm import Session

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
            has_room = place(session, cluster, world)
            again = place(session, cluster, world)
            assert again == has_room
            placed.append(has_room)
    assert placed == [True, True, True, True, False]
    with world.sessions() as session:
        brokers = session.query(ClusterBroker.node_id).all()
    assert sorted(Counter(brokers).values()) == [2, 2]


@pytest.mark.parametrize(
    ("ports", "expected", "peers"),
    [
        ([7, 7, 9], [0, 1, 2], "tls"),  # one on each: five ports do for a broker
        ([30, 4, 10], [0, 0, 2], "tls"),  # as even as there is room
        ([4, 9, 4], [1, 1, 1], "sockets"),  # one node has room for all, the others for none
        ([14], [0, 0, 0], "sockets"),
    ],
)
def test_a_cluster_of_three_is_spread_as_evenly_as_there_is_room(
    ports: list[int], expected: list[int], peers: str, world: World
) -> None:
    app = world.add_app(world.add_account())
    node_ids = []
    for index, count in enumerate(ports):
        agent = ScriptedAgent(name=f"node-{index}", port_first=100, port_last=99 + count)
        with world.sessions.begin() as session:
            token = nodes.invite(session, now=world.now)
            node = nodes.register(session, agent.registration(), token=token, now=world.now)
            node.last_report_at = world.now
            node_ids.append(node.id)
    addon, _ = world.add_addon(app, plan="standard-0")
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, world.cluster(addon.id).id)
        assert place(session, cluster, world)
    with world.sessions() as session:
        rows = session.query(ClusterBroker).order_by(ClusterBroker.broker_id).all()
        assert sorted(node_ids.index(row.node_id) for row in rows) == expected
        assert {row.cluster.peers for row in rows} == {peers}
        assert {row.is_member for row in rows} == {peers == "sockets"}


def test_a_cluster_is_never_half_placed(world: World) -> None:
    app = world.add_app(world.add_account())
    for name in ("small-1", "small-2"):
        agent = ScriptedAgent(name=name, port_first=100, port_last=106)
        with world.sessions.begin() as session:
            token = nodes.invite(session, now=world.now)
            node = nodes.register(session, agent.registration(), token=token, now=world.now)
            node.last_report_at = world.now
    addon, _ = world.add_addon(app, plan="standard-0")
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, world.cluster(addon.id).id)
        assert not place(session, cluster, world)
        assert session.query(ClusterBroker).count() == 0


def place(session: Session, cluster: Cluster, world: World) -> bool:
    plan = clusters.plan_of(cluster)
    return clusters.place(session, cluster, plan, now=world.now, silence=SILENCE)
