"""An operator's word that a node is lost, before the sweep would say so."""

import uuid

import pytest

from control_plane.domain.errors import Conflict, NotFound
from control_plane.models import Node
from control_plane.services import node_replacements
from control_plane.services.node_replacements import Replacement
from tests.factories.control_plane import World
from tests.integration.control_plane.sagas import scenarios


def replace(world: World, name: str) -> list[Replacement]:
    with world.sessions.begin() as session:
        node = node_replacements.find(session, name)
        return node_replacements.begin(session, node, now=world.now)


def progress(world: World, name: str) -> list[Replacement]:
    with world.sessions() as session:
        node = node_replacements.find(session, name)
        return node_replacements.of_node(session, node, now=world.now)


def just_lost(world: World) -> None:
    """Three brokers on three nodes, a fourth node, and the third one silent for half a minute."""
    world.settle(scenarios.provision_over_nodes(world))
    world.add_node("node-4")
    world.others[1].is_silent = True
    for agent in (world.agent, *world.others):
        agent.dead = {2}
    world.wait(30)
    world.report()


def test_its_brokers_move_at_once_and_a_repeated_order_is_one(world: World) -> None:
    just_lost(world)
    (begun,) = replace(world, "node-3")
    (again,) = replace(world, "node-3")
    assert begun.operation is not None
    assert again.operation is not None
    assert begun.operation.id == again.operation.id
    assert (begun.broker_ids, begun.refused) == ([2], "")
    assert world.settle(begun.operation.id).state == "succeeded"
    (after,) = replace(world, "node-3")
    assert after.operation is not None
    assert (after.operation.id, after.operation.state) == (begun.operation.id, "succeeded")
    with world.sessions() as session:
        assert {row.node.name for row in session.merge(after.cluster).brokers} == {
            "node-1",
            "node-2",
            "node-4",
        }


def test_a_node_that_reports_is_not_lost(world: World) -> None:
    just_lost(world)
    with pytest.raises(Conflict, match="Node node-2 reports, so it is not lost: stop its agent"):
        replace(world, "node-2")
    assert [each.operation for each in progress(world, "node-2")] == [None]


def test_brokers_that_the_cluster_hears_are_not_lost(world: World) -> None:
    just_lost(world)
    for agent in (world.agent, *world.others):
        agent.dead = set()
    world.report()
    (found,) = replace(world, "node-3")
    assert (found.operation, found.refused) == (
        None,
        "the cluster hears broker 2 of it: stop what runs there first",
    )


def test_a_cluster_that_is_nowhere_else_is_refused(world: World) -> None:
    world.provisioned()
    world.is_agent_silent = True
    world.wait(30)
    (found,) = replace(world, "node-1")
    assert found.operation is None
    assert found.refused.endswith("its records are nowhere else: bring it back")


def test_a_node_is_found_by_name_or_id(world: World) -> None:
    node = world.register_node()
    world.add_node("node-2")
    world.add_node("node-2")
    with world.sessions() as session:
        assert node_replacements.find(session, "node-1").id == node.id
        assert node_replacements.find(session, str(node.id)).id == node.id
        twins = session.query(Node).filter_by(name="node-2").all()
        with pytest.raises(Conflict, match=str(twins[0].id)):
            node_replacements.find(session, "node-2")
        for name in ("node-9", str(uuid.UUID(int=7))):
            with pytest.raises(NotFound):
                node_replacements.find(session, name)
