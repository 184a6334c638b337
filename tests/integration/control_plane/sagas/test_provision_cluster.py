"""addons:create to `available` and to `failed`, with a scripted agent on the node."""

import uuid

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.states import AddonState, OperationState
from control_plane.models import App, ClusterBroker, Credential
from control_plane.services import config_vars, credentials, specs, usage
from tests.factories.control_plane import World


def test_an_addon_becomes_available(world: World) -> None:
    """Every promise of the 202 is kept: cluster, config vars, meter, states."""
    world.register_node()
    app = world.add_app(world.add_account())
    addon, operation = world.add_addon(app)
    began = world.now
    ended = world.settle(operation.id)
    assert (ended.state, ended.reason) == (OperationState.SUCCEEDED, "")
    assert ended.steps_done == ended.steps_total == 10
    assert world.addon(addon.id).state == AddonState.PROVISIONED
    assert world.cluster(addon.id).state == ClusterState.AVAILABLE
    with world.sessions.begin() as session:
        values = config_vars.all_of(session, session.get_one(App, app.id), sealer=world.sealer)
        cost = usage.cost(session, addon, now=world.now)
    assert values["KAFKA_URL"] == "kafka+ssl://127.0.0.1:20000"
    assert set(values) == {
        "KAFKA_URL",
        "KAFKA_TRUSTED_CERT",
        "KAFKA_CLIENT_CERT",
        "KAFKA_CLIENT_CERT_KEY",
    }
    assert values["KAFKA_CLIENT_CERT_KEY"].startswith("-----BEGIN PRIVATE KEY-----")
    assert cost.since is not None
    assert cost.since >= began


def test_provisioning_needs_no_poll(world: World) -> None:
    """One report brings it to the end: nothing waits for a due time (aim: 2 s in all)."""
    world.register_node()
    _, operation = world.add_addon(world.add_app(world.add_account()))
    world.run(operation.id)
    woken = world.report()
    assert woken == [operation.id]
    world.run(operation.id)  # the clock has not moved
    assert world.operation(operation.id).state == OperationState.SUCCEEDED


def test_the_spec_is_the_same_bytes_for_the_same_rows(world: World) -> None:
    cluster = world.cluster(world.provisioned().id)
    node_id = uuid.UUID(world.agent.node_id)
    with world.sessions.begin() as session:
        before = specs.latest_generation(session, node_id)
        assert specs.publish(session, cluster.id, now=world.now) == cluster.spec_generation
        assert specs.latest_generation(session, node_id) == before


def _node(session, cluster_id):  # type: ignore[no-untyped-def]  # a fixture's shape
    return (
        session.query(ClusterBroker.node_id).where(ClusterBroker.cluster_id == cluster_id).scalar()
    )


def test_without_a_node_it_fails_with_a_reason_and_no_charge(world: World) -> None:
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    ended = world.settle(operation.id, seconds=10)
    assert ended.state == OperationState.FAILED
    assert "no node with room" in ended.reason
    addon = world.addon(addon.id)
    assert (addon.state, addon.state_reason) == (AddonState.FAILED, ended.reason)
    assert world.cluster(addon.id).state == ClusterState.DELETED
    with world.sessions.begin() as session:
        assert usage.cost(session, addon, now=world.now).amount_micros == 0


def test_brokers_that_never_start_are_given_up_and_removed(world: World) -> None:
    """The node's own words are the reason; its share is withdrawn and its place free again."""
    world.register_node()
    world.agent.broker_problem = "Port 20000 is taken by another program: free it."
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    ended = world.settle(operation.id, seconds=5)
    assert ended.state == OperationState.FAILED
    assert "Port 20000 is taken" in world.addon(addon.id).state_reason
    assert world.cluster(addon.id).state == ClusterState.DELETED
    world.report()
    assert world.agent.spec is not None
    assert world.agent.spec.clusters == []
    with world.sessions.begin() as session:
        assert session.query(ClusterBroker).count() == 0
        assert credentials.of_cluster(session, world.cluster(addon.id).id) == []
        assert all(row.key_sealed is None for row in session.query(Credential))


def test_what_a_node_has_given_up_is_not_waited_for(world: World) -> None:
    world.register_node()
    world.agent.broker_problem, world.agent.has_given_up = "The broker ended too often.", True
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    began = world.now
    assert world.settle(operation.id, seconds=1).state == OperationState.FAILED
    assert world.addon(addon.id).state_reason == "The broker ended too often."
    assert (world.now - began).total_seconds() < 10


def test_a_failed_addon_can_be_destroyed(world: World) -> None:
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    world.settle(operation.id, seconds=10)
    assert world.destroy(addon.id) is None
    assert world.addon(addon.id).state == AddonState.DEPROVISIONED
