"""The ledger of plan time, and what it costs so far."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from control_plane.domain import pricing
from control_plane.domain.plans import CURRENCY, PLANS
from control_plane.models import Addon, Cluster, PlanInterval


@dataclass(frozen=True, slots=True)
class Cost:
    """Plan time and money up to a moment, over the add-on's whole life."""

    since: dt.datetime | None  # None: the meter has not been opened
    until: dt.datetime
    plan_seconds: Fraction
    amount_micros: int  # the sum of the lines
    currency: str
    lines: Sequence[pricing.Line]


def open_interval(session: Session, cluster: Cluster, *, at: dt.datetime) -> PlanInterval:
    """Start the meter at the plan's present price; if it runs already, return that interval."""
    running = session.scalar(_open(cluster.id))
    if running is not None:
        return running
    interval = PlanInterval(
        addon_id=cluster.addon_id,
        cluster_id=cluster.id,
        plan=cluster.plan,
        price_micros_per_month=PLANS[cluster.plan].price_micros_per_month,
        currency=CURRENCY,
        started_at=at,
    )
    session.add(interval)
    session.flush()
    return interval


def switch_interval(session: Session, cluster: Cluster, plan: str, *, at: dt.datetime) -> None:
    """Give the cluster another plan, and have it billed from where the old one ends.

    A second run finds the new plan and changes nothing.
    """
    if cluster.plan == plan:
        return
    running = session.scalar(_open(cluster.id).with_for_update(key_share=True))
    cluster.plan = plan
    if running is None:
        session.flush()
        return
    running.ended_at = max(at, running.started_at)
    session.flush()
    open_interval(session, cluster, at=running.ended_at)


def close_interval(session: Session, cluster_id: uuid.UUID, *, at: dt.datetime) -> None:
    """Stop the meter; a second run finds nothing open. Never before its start: clocks may jump."""
    if (running := session.scalar(_open(cluster_id).with_for_update(key_share=True))) is not None:
        running.ended_at = max(at, running.started_at)
        session.flush()


def cost(session: Session, addon: Addon, *, now: dt.datetime) -> Cost:
    """Price the add-on's plan time so far; an open interval counts up to `now`."""
    found = select(PlanInterval).where(PlanInterval.addon_id == addon.id)
    rows = session.scalars(found.order_by(PlanInterval.started_at, PlanInterval.id)).all()
    intervals = [
        pricing.Interval(
            row.started_at,
            row.ended_at or max(now, row.started_at),
            row.plan,
            row.price_micros_per_month,
        )
        for row in rows
    ]
    lines = pricing.lines(intervals)
    return Cost(
        since=rows[0].started_at if rows else None,
        until=now,
        plan_seconds=sum((line.seconds for line in lines), Fraction(0)),
        amount_micros=sum(line.amount_micros for line in lines),
        currency=rows[0].currency if rows else CURRENCY,
        lines=lines,
    )


def _open(cluster_id: uuid.UUID) -> Select[PlanInterval]:
    return select(PlanInterval).where(
        PlanInterval.cluster_id == cluster_id, PlanInterval.ended_at.is_(None)
    )
