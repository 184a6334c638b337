"""The fleet page's view: every cluster of an account, with what it does now and has cost."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from control_plane.dashboard import figures
from control_plane.dashboard.charts import sparkline
from control_plane.dashboard.versions import version_text
from control_plane.dashboard.views import Fleet, FleetRow
from control_plane.dashboard.words import cluster_state
from control_plane.domain import pricing
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.health import Health
from control_plane.domain.plans import CURRENCY
from control_plane.models import Account, Addon, App, Cluster, ClusterBroker, PlanInterval, Topic
from control_plane.services import clusters, throughput

SPARK_BUCKET_S = 60
SPARK_BUCKETS = 60
CLUSTERS_MAX = 500


def fleet_of(session: Session, account: Account, *, now: dt.datetime) -> Fleet:
    """Build the view in a handful of queries, however many clusters there are."""
    found = _clusters(session, account)
    ids = [cluster.id for cluster in found]
    rates = throughput.now_of_clusters(session, ids, now=now)
    histories = throughput.histories(
        session, ids, now=now, bucket_s=SPARK_BUCKET_S, bucket_count=SPARK_BUCKETS
    )
    topic_counts = _topic_counts(session, ids)
    costs = month_costs(session, [cluster.addon_id for cluster in found], now=now)
    rows = [
        _row(
            session,
            cluster,
            now,
            rates[cluster.id],
            histories[cluster.id],
            topic_counts.get(cluster.id, 0),
            costs.get(cluster.addon_id, 0),
        )
        for cluster in found
    ]
    return Fleet(
        rows=rows,
        available_count=sum(row.state.tone == "ok" for row in rows),
        attention_count=sum(row.state.tone in {"warn", "bad"} for row in rows),
        bytes_in=figures.byte_rate(_sum(each.bytes_in for each in rates.values())),
        bytes_out=figures.byte_rate(_sum(each.bytes_out for each in rates.values())),
        cost=figures.money(sum(costs.values()), CURRENCY),
    )


def _clusters(session: Session, account: Account) -> Sequence[Cluster]:
    found = (
        select(Cluster)
        .join(Addon, Addon.id == Cluster.addon_id)
        .join(App, App.id == Addon.app_id)
        .where(App.account_id == account.id, Addon.deleted_at.is_(None))
        .options(
            joinedload(Cluster.addon).joinedload(Addon.app),
            selectinload(Cluster.brokers).joinedload(ClusterBroker.node),
        )
        .order_by(App.name, Addon.name)
        .limit(CLUSTERS_MAX)
    )
    return session.scalars(found).all()


def _row(
    session: Session,
    cluster: Cluster,
    now: dt.datetime,
    rates: throughput.Rates,
    history: throughput.History,
    topic_count: int,
    cost_micros: int,
) -> FleetRow:
    addon = cluster.addon
    is_stuck = clusters.is_stuck(session, cluster, now=now)
    # Only what is available is judged by its reports, so only that costs a query.
    health, sentence = (
        clusters.health(session, cluster, now=now)
        if cluster.state == ClusterState.AVAILABLE or is_stuck
        else (Health.HEALTHY, "")
    )
    shown = cluster_state(addon, cluster, health, is_stuck=is_stuck)
    note = addon.state_reason or (sentence if shown.tone == "warn" else "")
    return FleetRow(
        id=addon.id,
        name=addon.name,
        app=addon.app.name,
        plan=cluster.plan,
        version=version_text(cluster),
        state=shown,
        note=note,
        brokers_ready=sum(broker.phase == "ready" for broker in cluster.brokers),
        brokers_total=clusters.plan_of(cluster).broker_count,
        topic_count=topic_count,
        bytes_in=figures.byte_rate(rates.bytes_in),
        bytes_out=figures.byte_rate(rates.bytes_out),
        spark_in=sparkline(history.bytes_in),
        spark_out=sparkline(history.bytes_out),
        cost=figures.money(cost_micros, CURRENCY),
    )


def _topic_counts(session: Session, cluster_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    counted = (
        select(Topic.cluster_id, func.count())
        .where(Topic.cluster_id.in_(cluster_ids), Topic.deleted_at.is_(None))
        .group_by(Topic.cluster_id)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def month_costs(
    session: Session, addon_ids: Sequence[uuid.UUID], *, now: dt.datetime
) -> dict[uuid.UUID, int]:
    """What each add-on has cost since the first of this month (UTC), in micro-units."""
    month = pricing.month_start(now)
    found = select(PlanInterval).where(
        PlanInterval.addon_id.in_(addon_ids),
        PlanInterval.ended_at.is_(None) | (PlanInterval.ended_at > month),
    )
    intervals: dict[uuid.UUID, list[pricing.Interval]] = {}
    for row in session.scalars(found):
        end = row.ended_at or max(now, row.started_at)
        part = pricing.Interval(
            max(row.started_at, month), max(end, month), row.plan, row.price_micros_per_month
        )
        intervals.setdefault(row.addon_id, []).append(part)
    return {
        addon_id: sum(line.amount_micros for line in pricing.lines(parts))
        for addon_id, parts in intervals.items()
    }


def _sum(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) if present else None
