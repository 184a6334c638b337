"""The life of an add-on in the pieces that sagas carry out."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from control_plane.models import Cluster
from control_plane.services import operations, replacements, specs, topics, upgrades
from tests.factories.control_plane import World


@dataclass(frozen=True)
class Scenario:
    """`start` brings a fresh world to an operation that has not begun, and returns its id."""

    name: str
    kind: str
    start: Callable[[World], uuid.UUID]


def provision(world: World) -> uuid.UUID:
    world.register_node()
    _, operation = world.add_addon(world.add_app(world.add_account()))
    return operation.id


def failed_provision(world: World) -> uuid.UUID:
    world.agent.broker_problem = "Port 20000 is taken."
    return provision(world)


def deprovision(world: World) -> uuid.UUID:
    addon = world.provisioned()
    world.wait(60)
    operation = world.destroy(addon.id)
    assert operation is not None
    return operation.id


def create_topic(world: World) -> uuid.UUID:
    cluster = world.cluster(world.provisioned().id)
    return world.add_topic(cluster.id, "departures")[1].id


def alter_topic(world: World) -> uuid.UUID:
    cluster_id = _with_topic(world)
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, cluster_id)
        topic = topics.get(session, cluster, "departures")
        _, operation = topics.alter(
            session, cluster, topic, retention_ms=7_200_000, is_compacted=False, now=world.now
        )
        assert operation is not None
        return operation.id


def delete_topic(world: World) -> uuid.UUID:
    cluster_id = _with_topic(world)
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, cluster_id)
        topic = topics.get(session, cluster, "departures")
        _, operation = topics.destroy(session, cluster, topic, now=world.now)
        assert operation is not None
        return operation.id


def _with_topic(world: World) -> uuid.UUID:
    cluster = world.cluster(world.provisioned().id)
    world.settle(world.add_topic(cluster.id, "departures")[1].id)
    return cluster.id


def provision_over_nodes(world: World) -> uuid.UUID:
    world.register_node()
    world.add_node("node-2")
    world.add_node("node-3")
    _, operation = world.add_addon(world.add_app(world.add_account()), plan="standard-0")
    return operation.id


def grow(world: World) -> uuid.UUID:
    """A topic of one replica, then from one broker to three on three nodes."""
    addon = world.provisioned()
    cluster = world.cluster(addon.id)
    world.settle(world.add_topic(cluster.id, "departures")[1].id)
    world.add_node("node-2")
    world.add_node("node-3")
    world.wait(60)
    world.report()
    operation = world.change_plan(addon.id, "standard-0")
    assert operation is not None
    return operation.id


def failed_growth(world: World) -> uuid.UUID:
    started = grow(world)
    for agent in world.others:
        agent.has_no_ports = True
    return started


def outdated(world: World) -> uuid.UUID:
    """A cluster that chose version 1, whose node has 2 by now; returns the cluster's id."""
    world.agent.version = "1"
    cluster_id = world.cluster(world.provisioned().id).id
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, cluster_id)
        upgrades.choose(session, cluster, "1")
        specs.publish(session, cluster_id, now=world.now)
    world.report()
    world.agent.version = "2"
    world.report()
    return cluster_id


def upgrade(world: World) -> uuid.UUID:
    cluster_id = outdated(world)
    with world.sessions.begin() as session:
        cluster = session.get_one(Cluster, cluster_id)
        operation = upgrades.begin(session, cluster, version="2", now=world.now)
        assert operation is not None
        return operation.id


def lose_node(world: World) -> Cluster:
    """Three brokers on three nodes, a fourth node, and the third one gone with its broker."""
    world.settle(provision_over_nodes(world))
    world.add_node("node-4")
    lost = world.others[1]
    lost.is_silent = True
    assert lost.spec is not None
    (broker,) = lost.spec.clusters[0].brokers
    for agent in (world.agent, *world.others):
        agent.dead = {broker.broker_id}
    world.wait(LOST_AFTER.total_seconds() + 1)
    world.report()
    with world.sessions() as session:
        return session.query(Cluster).one()


def replace_node(world: World) -> uuid.UUID:
    cluster = lose_node(world)
    with world.sessions.begin() as session:
        operation = replacements.begin(session, cluster.id, now=world.now, lost_after=LOST_AFTER)
        assert operation is not None
        return operation.id


def failed_replacement(world: World) -> uuid.UUID:
    started = replace_node(world)
    world.others[2].has_no_ports = True
    return started


def replace_in_growth(world: World) -> uuid.UUID:
    """One broker becomes three; the node of a new one is lost once everybody knows of it."""
    growth = grow(world)
    world.add_node("node-4")
    lost = world.others[1]
    while world.operation(growth).step != "await_brokers":
        world.run(growth)
        if world.operation(growth).step != "await_brokers":
            world.report()
            world.wait(1)
    assert lost.spec is not None
    (broker,) = lost.spec.clusters[0].brokers
    lost.is_silent = True
    for agent in (world.agent, *world.others):
        agent.dead = {broker.broker_id}
    world.wait(LOST_AFTER.total_seconds() + 1)
    world.report()
    cluster_id = world.operation(growth).cluster_id
    with world.sessions.begin() as session:
        operation = replacements.begin(session, cluster_id, now=world.now, lost_after=LOST_AFTER)
        assert operation is not None
        return operation.id


LOST_AFTER = dt.timedelta(seconds=600)
PROVISION = Scenario("provision", operations.PROVISION, provision)
FAILED_PROVISION = Scenario("failed provision", operations.PROVISION, failed_provision)
DEPROVISION = Scenario("deprovision", operations.DEPROVISION, deprovision)
CREATE_TOPIC = Scenario("create topic", operations.CREATE_TOPIC, create_topic)
ALTER_TOPIC = Scenario("alter topic", operations.ALTER_TOPIC, alter_topic)
DELETE_TOPIC = Scenario("delete topic", operations.DELETE_TOPIC, delete_topic)
PROVISION_OVER_NODES = Scenario("provision over nodes", operations.PROVISION, provision_over_nodes)
UPGRADE = Scenario("upgrade", operations.UPGRADE, upgrade)
GROW = Scenario("grow", operations.CHANGE_PLAN, grow)
FAILED_GROWTH = Scenario("failed growth", operations.CHANGE_PLAN, failed_growth)
REPLACE_NODE = Scenario("replace node", operations.REPLACE_NODE, replace_node)
REPLACE_IN_GROWTH = Scenario("replace in growth", operations.REPLACE_NODE, replace_in_growth)
FAILED_REPLACEMENT = Scenario("failed replacement", operations.REPLACE_NODE, failed_replacement)
ALL = (
    PROVISION,
    PROVISION_OVER_NODES,
    DEPROVISION,
    CREATE_TOPIC,
    ALTER_TOPIC,
    DELETE_TOPIC,
    GROW,
    UPGRADE,
    REPLACE_NODE,
)
FAILED = (FAILED_PROVISION, FAILED_GROWTH, FAILED_REPLACEMENT)
# What takes longest has files of its own.
PROVISIONS = (PROVISION, PROVISION_OVER_NODES, FAILED_PROVISION)
PLAN_CHANGES = (GROW, FAILED_GROWTH)
REPLACEMENTS = (REPLACE_NODE, REPLACE_IN_GROWTH, FAILED_REPLACEMENT)
