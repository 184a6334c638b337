"""Ordering another plan: what may follow what, what a retry does, and how it is billed."""

from fractions import Fraction

import pytest

from control_plane.domain.errors import Conflict, Invalid, PlanLimit
from control_plane.models import Addon, Cluster, PlanInterval
from control_plane.services import usage
from tests.factories.control_plane import World


def test_each_second_is_billed_by_the_plan_that_it_had(world: World) -> None:
    addon = world.provisioned()
    world.wait(1000)
    world.report()
    operation = world.change_plan(addon.id, "standard-0")
    assert operation is not None
    world.settle(operation.id)
    world.wait(500)
    with world.sessions() as session:
        old, new = session.query(PlanInterval).order_by(PlanInterval.started_at).all()
        assert (old.plan, new.plan) == ("mini-0", "standard-0")
        assert old.ended_at == new.started_at
        cost = usage.cost(session, session.get_one(Addon, addon.id), now=world.now)
        whole = (world.now - old.started_at).total_seconds()
        assert cost.plan_seconds == Fraction(whole)
        assert session.query(Cluster).one().plan == "standard-0"


def test_a_retry_finds_the_change_and_another_one_is_refused(world: World) -> None:
    addon = world.provisioned()
    first = world.change_plan(addon.id, "standard-0")
    again = world.change_plan(addon.id, "ottla-kafka:standard-0")
    assert first is not None
    assert again is not None
    assert again.id == first.id
    with pytest.raises(Conflict, match="is being changed"):
        world.change_plan(addon.id, "standard-1")
    world.settle(first.id)
    assert world.change_plan(addon.id, "standard-0") is None


def test_plans_of_as_many_brokers_follow_each_other(world: World) -> None:
    world.register_node()
    addon, operation = world.add_addon(world.add_app(world.add_account()), plan="standard-0")
    world.settle(operation.id)
    for plan in ("standard-2", "standard-1"):
        change = world.change_plan(addon.id, plan)
        assert change is not None
        world.settle(change.id)
        assert (world.addon(addon.id).plan, world.cluster(addon.id).plan) == (plan, plan)
        assert world.cluster(addon.id).state == "available"
    assert world.agent.spec is not None
    assert world.agent.spec.clusters[0].disk_bytes_max == 100 * 10**9
    with pytest.raises(PlanLimit, match=r"holds 200.0 GB and plan standard-0 has 150 GB"):
        world.change_plan(addon.id, "standard-0", used_bytes=200 * 10**9)


def test_what_cannot_be_is_refused_with_the_way_out(world: World) -> None:
    world.register_node()
    addon, operation = world.add_addon(world.add_app(world.add_account()), plan="standard-0")
    world.settle(operation.id)
    with pytest.raises(Invalid, match=r"brokers are not taken away .* Create a new add-on"):
        world.change_plan(addon.id, "mini-0")
    with pytest.raises(Invalid, match="shares its brokers"):
        world.change_plan(addon.id, "basic-0", offer_extended=True)
    with pytest.raises(Invalid, match="cannot be provisioned by this version"):
        world.change_plan(addon.id, "extended-0")
    assert world.cluster(addon.id).state == "available"


def test_a_topic_that_would_not_fit_is_named(world: World) -> None:
    addon = world.provisioned()
    _, made = world.add_topic(
        world.cluster(addon.id).id, "hourly", retention_ms=3_600_000, partition_count=1
    )
    world.settle(made.id)
    with pytest.raises(Invalid, match=r"Topic hourly does not fit: .*at least 6h"):
        world.change_plan(addon.id, "standard-0")


def test_eight_brokers_by_option(world: World) -> None:
    world.register_node()
    addon, operation = world.add_addon(world.add_app(world.add_account()), plan="standard-0")
    world.settle(operation.id)
    change = world.change_plan(addon.id, "extended-0", offer_extended=True)
    assert change is not None
    world.settle(change.id)
    assert world.agent.spec is not None
    (spec,) = world.agent.spec.clusters
    assert [member.broker_id for member in spec.members] == list(range(8))
    assert [member.broker_id for member in spec.members if member.is_first_voter] == [0, 1, 2]
