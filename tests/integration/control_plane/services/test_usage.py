"""The ledger: opened once, closed once, priced to the microsecond."""

import datetime as dt
from fractions import Fraction

import pytest
from sqlalchemy.exc import IntegrityError

from control_plane.models import Cluster, PlanInterval
from control_plane.services import usage
from tests.factories.control_plane import World


def cost(world: World) -> usage.Cost:
    with world.sessions() as session:
        addon = session.query(Cluster).one().addon
        return usage.cost(session, addon, now=world.now)


def test_the_cost_grows_with_the_clock_and_stops(world: World) -> None:
    addon = world.provisioned()
    opened = cost(world).since
    assert opened is not None
    world.wait(3600 - (world.now - opened).total_seconds())
    assert (cost(world).amount_micros, cost(world).plan_seconds) == (
        6944,
        Fraction(3600),
    )  # 5 USD / 720
    world.destroy(addon.id)
    stopped = cost(world)
    world.wait(1e6)
    assert cost(world).amount_micros == stopped.amount_micros == 6944


def test_a_month_is_capped(world: World) -> None:
    """Bought on the 15th: what is left of January, then whole months at the list price."""
    world.provisioned()
    world.wait((dt.datetime(2026, 4, 1, tzinfo=dt.UTC) - world.now).total_seconds())
    amounts = [line.amount_micros for line in cost(world).lines]
    assert amounts[1:] == [4_666_667, 5_000_000]  # February has 672 hours, March 744
    assert sum(amounts) == cost(world).amount_micros


def test_opening_and_closing_twice_is_once(world: World) -> None:
    cluster = world.cluster(world.provisioned().id)
    with world.sessions.begin() as session:
        here = session.get_one(Cluster, cluster.id)
        running = usage.open_interval(session, here, at=world.now)
        started_at = running.started_at
        world.wait(10)
        assert usage.open_interval(session, here, at=world.now).started_at == started_at
        usage.close_interval(session, cluster.id, at=world.now)
        closed_at = running.ended_at
        world.wait(10)
        usage.close_interval(session, cluster.id, at=world.now)
        assert running.ended_at == closed_at
        assert session.query(PlanInterval).count() == 1


def test_a_clock_that_jumped_back_gives_no_negative_time(world: World) -> None:
    world.provisioned()
    world.wait(-86_400)
    assert cost(world).plan_seconds == 0
    with world.sessions.begin() as session:
        usage.close_interval(session, session.query(Cluster).one().id, at=world.now)
    assert cost(world).amount_micros == 0


def test_the_database_itself_refuses_two_open_intervals(world: World) -> None:
    cluster = world.cluster(world.provisioned().id)
    with world.sessions() as session:
        (interval,) = session.query(PlanInterval)
        session.add(
            PlanInterval(
                addon_id=interval.addon_id,
                cluster_id=cluster.id,
                plan="mini-0",
                price_micros_per_month=1,
                currency="USD",
                started_at=world.now,
            )
        )
        with pytest.raises(IntegrityError):
            session.flush()
