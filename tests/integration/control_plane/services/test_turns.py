"""One broker of a cluster is restarted at a time, over all its nodes."""

import uuid

from control_plane.models import Cluster
from control_plane.services import turns
from tests.factories.control_plane import World


def spread(world: World) -> Cluster:
    world.register_node()
    world.add_node("node-2")
    world.add_node("node-3")
    addon, operation = world.add_addon(world.add_app(world.add_account()), plan="standard-0")
    world.settle(operation.id)
    return world.cluster(addon.id)


def grant(world: World, cluster_id: uuid.UUID) -> int | None:
    with world.sessions.begin() as session:
        return turns.grant(session, cluster_id, now=world.now)


def test_the_next_turn_waits_until_the_last_is_over(world: World) -> None:
    cluster = spread(world)
    agents = [world.agent, *world.others]
    for agent in agents:
        agent.wanting = {0, 1, 2}
    world.report()
    with world.sessions() as session:
        assert turns.wanted(session) == [cluster.id]
    given = []
    for _ in range(3):
        broker_id = grant(world, cluster.id)
        assert broker_id is not None
        assert grant(world, cluster.id) is None  # its agent has not used it yet
        given.append(broker_id)
        for agent in agents:
            agent.wanting.discard(broker_id)
        world.report()
    assert given == [0, 1, 2]
    assert grant(world, cluster.id) is None
    with world.sessions() as session:
        assert turns.wanted(session) == []
        assert session.get_one(Cluster, cluster.id).turn_number == 3


def test_a_silent_holder_keeps_its_turn(world: World) -> None:
    cluster = spread(world)
    for agent in (world.agent, *world.others):
        agent.wanting = {0, 1, 2}
    world.report()
    world.is_agent_silent = True
    first = grant(world, cluster.id)
    if first is None:
        raise AssertionError("the first turn is free")
    holder = next(
        agent
        for agent in (world.agent, *world.others)
        if agent.spec and any(b.broker_id == first for b in agent.spec.clusters[0].brokers)
    )
    world.others = [agent for agent in world.others if agent is not holder]
    world.is_agent_silent = holder is world.agent
    world.report()
    world.wait(3600)
    world.report()
    assert grant(world, cluster.id) is None


def test_brokers_of_one_node_need_no_turn(world: World) -> None:
    addon = world.provisioned()
    world.agent.wanting = {0}
    world.report()
    with world.sessions() as session:
        assert turns.wanted(session) == []
    assert grant(world, world.cluster(addon.id).id) is None
