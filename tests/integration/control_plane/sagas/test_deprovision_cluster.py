"""addons:destroy at any moment of an add-on's life."""

import datetime as dt
import uuid

import pytest

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.states import AddonState, OperationState
from control_plane.models import (
    Attachment,
    ClusterBroker,
    ClusterSpecRow,
    ConfigVar,
    Credential,
    PlanInterval,
)
from control_plane.sagas import SAGAS
from control_plane.sagas.engine import advance
from control_plane.services import addons, operations, usage
from tests.factories.control_plane import World


def assert_nothing_is_left(world: World, addon_id: uuid.UUID) -> None:
    """No process, port, certificate, config var, attachment or place; the books remain."""
    addon = world.addon(addon_id)
    assert (addon.state, addon.state_reason) == (AddonState.DEPROVISIONED, "")
    assert addon.deleted_at is not None
    assert world.cluster(addon_id).state == ClusterState.DELETED
    with world.sessions() as session:
        for model in (Attachment, ConfigVar, ClusterBroker, ClusterSpecRow):
            assert session.query(model).count() == 0
        for row in session.query(Credential):
            assert (row.revoked_at is None, row.key_sealed, row.node_sealed_key) == (
                False,
                None,
                None,
            )
        assert world.cluster(addon_id).ca_key_sealed is None
        assert all(row.ended_at is not None for row in session.query(PlanInterval))
    world.report()
    assert world.agent.spec is None or world.agent.spec.clusters == []


def test_destroy_takes_everything_away(world: World) -> None:
    addon = world.provisioned()
    operation = world.destroy(addon.id)
    assert operation is not None
    assert world.settle(operation.id).state == OperationState.SUCCEEDED
    assert_nothing_is_left(world, addon.id)


def test_billing_ends_with_the_request(world: World) -> None:
    """However long the removal takes, it is not charged."""
    addon = world.provisioned()
    world.wait(3600)
    operation = world.destroy(addon.id)
    assert operation is not None
    asked_at = world.now
    world.is_agent_silent = True
    world.run(operation.id)
    world.wait(300)
    world.is_agent_silent = False
    world.settle(operation.id)
    with world.sessions() as session:
        (interval,) = session.query(PlanInterval)
        assert interval.ended_at == asked_at
        seconds = usage.cost(session, addon, now=world.now).plan_seconds
    assert seconds == (asked_at - interval.started_at).total_seconds()


def test_destroy_twice_is_one_operation(world: World) -> None:
    addon = world.provisioned()
    first, second = world.destroy(addon.id), world.destroy(addon.id)
    assert first is not None
    assert second is not None
    assert first.id == second.id
    world.settle(first.id)
    assert world.destroy(addon.id) is None


@pytest.mark.parametrize("steps", range(len(SAGAS[operations.PROVISION].steps)))
def test_destroy_in_the_middle_of_provisioning(steps: int, world: World) -> None:
    """After any number of steps: it ends deprovisioned, and the first operation stays cancelled."""
    world.register_node()
    addon, provision = world.add_addon(world.add_app(world.add_account()))
    with world.sessions.begin() as session:
        lease = operations.claim(session, provision.id, now=world.now)
    for _ in range(steps):
        world.report()
        assert lease is not None
        lease = advance(world.runtime, lease)
        if lease is None:  # it waited for the report, which has come now
            world.report()
            with world.sessions.begin() as session:
                lease = operations.claim(session, provision.id, now=world.now)
            assert lease is not None
            lease = advance(world.runtime, lease)
    deprovision = world.destroy(addon.id)
    assert deprovision is not None
    # The worker of the provisioning knows nothing of it and goes on.
    assert lease is None or advance(world.runtime, lease) is None
    world.run(provision.id)
    world.settle(deprovision.id)
    assert world.operation(provision.id).state == OperationState.CANCELLED
    assert_nothing_is_left(world, addon.id)
    with world.sessions() as session:
        charged = usage.cost(session, addon, now=world.now).plan_seconds
    assert charged == 0  # the clock stood still between opening and closing


def test_a_silent_node_does_not_hold_it_up_for_ever(world: World) -> None:
    """Ten minutes, then `failed`, the add-on says why; when the node is back it goes on."""
    addon = world.provisioned()
    world.is_agent_silent = True
    operation = world.destroy(addon.id)
    assert operation is not None
    ended = world.settle(operation.id, seconds=30)
    assert ended.state == OperationState.FAILED
    assert ended.finished_at is not None
    assert ended.finished_at - ended.created_at <= dt.timedelta(minutes=11)
    waiting = world.addon(addon.id)
    assert waiting.state == AddonState.DEPROVISIONING
    assert "waiting for the nodes to remove the cluster" in waiting.state_reason
    world.is_agent_silent = False
    world.report()
    world.settle_all()
    assert_nothing_is_left(world, addon.id)


def test_destroying_again_after_a_failure_starts_anew(world: World) -> None:
    addon = world.provisioned()
    world.is_agent_silent = True
    first = world.destroy(addon.id)
    assert first is not None
    world.settle(first.id, seconds=30)
    world.is_agent_silent = False
    second = world.destroy(addon.id)
    assert second is not None
    assert second.id != first.id
    world.settle(second.id)
    assert_nothing_is_left(world, addon.id)


def test_a_name_is_free_again(world: World) -> None:
    app = world.add_app(world.add_account())
    world.register_node()
    first, operation = world.add_addon(app, name="kafka-one")
    world.settle(operation.id)
    destroyed = world.destroy(first.id)
    assert destroyed is not None
    world.settle(destroyed.id)
    second, _ = world.add_addon(app, name="kafka-one")
    assert second.id != first.id
    with world.sessions() as session:
        assert addons.cluster_of(session, second).state == ClusterState.CREATING
