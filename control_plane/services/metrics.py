"""Metric samples: stored once each, read as series and rates."""

import datetime as dt
import itertools
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from control_plane.models import MetricSampleRow, Node
from data_plane.contract.metrics import MetricSample
from data_plane.metric_names import METRICS

KEPT = dt.timedelta(days=2)
RATE_WINDOW = dt.timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Point:
    at: dt.datetime
    broker_id: int
    value: float


def store(
    session: Session, node: Node, samples: Iterable[MetricSample], *, hosted: Collection[uuid.UUID]
) -> None:
    """Insert samples, each once; unknown names and foreign clusters are left out."""
    clusters = {str(cluster_id): cluster_id for cluster_id in hosted}
    rows = [
        {
            "node_id": node.id,
            "sequence": sample.sequence,
            "cluster_id": clusters[sample.cluster_id],
            "broker_id": sample.broker_id,
            "name": sample.name,
            "topic": sample.topic,
            "at": dt.datetime.fromtimestamp(sample.at_ms / 1000, dt.UTC),
            "value": sample.value,
        }
        for sample in samples
        if sample.cluster_id in clusters and sample.name in METRICS
    ]
    if rows:
        session.execute(insert(MetricSampleRow).values(rows).on_conflict_do_nothing())


def series(
    session: Session,
    cluster_id: uuid.UUID,
    name: str,
    *,
    since: dt.datetime,
    topic: str | None = None,
) -> Sequence[Point]:
    """Return readings of one metric in order of time; topic None: of whole brokers."""
    row = MetricSampleRow
    found = select(row.at, row.broker_id, row.value).where(
        row.cluster_id == cluster_id,
        row.name == name,
        row.at >= since,
        row.topic.is_(None) if topic is None else row.topic == topic,
    )
    return [Point(*each) for each in session.execute(found.order_by(row.at, row.sequence))]


def rate(
    session: Session,
    cluster_id: uuid.UUID,
    name: str,
    *,
    now: dt.datetime,
    topic: str | None = None,
) -> float:
    """Return a counter's growth per second over the last half minute, summed over brokers."""
    points = series(session, cluster_id, name, since=now - RATE_WINDOW, topic=topic)
    return sum(
        _rate([point for point in points if point.broker_id == broker_id])
        for broker_id in sorted({point.broker_id for point in points})
    )


def rates(points: Sequence[Point]) -> list[tuple[dt.datetime, float]]:
    """Turn one broker's counter readings into (time, growth per second) between neighbours."""
    return [
        (after.at, _growth(before, after) / (after.at - before.at).total_seconds())
        for before, after in itertools.pairwise(points)
        if after.at > before.at
    ]


def expire(session: Session, *, now: dt.datetime) -> None:
    """Drop samples older than the charts show."""
    session.execute(delete(MetricSampleRow).where(MetricSampleRow.at < now - KEPT))


def _rate(points: Sequence[Point]) -> float:
    if len(points) < 2 or points[-1].at <= points[0].at:
        return 0.0
    growth = sum(_growth(a, b) for a, b in itertools.pairwise(points))
    return growth / (points[-1].at - points[0].at).total_seconds()


def _growth(before: Point, after: Point) -> float:
    """A counter that fell was reset by a restart: what it shows has grown since then."""
    return after.value - before.value if after.value >= before.value else after.value
