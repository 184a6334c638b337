"""Rates of clusters and topics from stored counter readings, for lists, charts and the data API."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from control_plane.domain.series import Reading, rates, summed
from control_plane.models import MetricSampleRow

COUNTERS = ("bytes_in_total", "bytes_out_total", "messages_in_total")
BYTE_COUNTERS = COUNTERS[:2]
NOW_WINDOW = dt.timedelta(seconds=20)  # what "per second, now" is averaged over
GAUGE_WINDOW = dt.timedelta(seconds=60)
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

Series = list[float | None]


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second, now; None: there is no fresh pair of readings, which is not the same as zero."""

    bytes_in: float | None = None
    bytes_out: float | None = None
    records_in: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Series of equal buckets; `times_s` are the buckets' ends, Unix seconds."""

    times_s: list[int]
    bytes_in: Series
    bytes_out: Series


def now_of_clusters(
    session: Session, cluster_ids: Collection[uuid.UUID], *, now: dt.datetime
) -> dict[uuid.UUID, Rates]:
    """The clusters' rates now; each cluster asked for has an entry."""
    found = _read(session, cluster_ids, since=now - NOW_WINDOW, by_topic=False)
    return {cluster_id: _now(found.get((cluster_id, None), {}), now) for cluster_id in cluster_ids}


def now_of_topics(session: Session, cluster_id: uuid.UUID, *, now: dt.datetime) -> dict[str, Rates]:
    """The cluster's topics' rates now; a topic without fresh readings is left out."""
    found = _read(session, [cluster_id], since=now - NOW_WINDOW, by_topic=True)
    return {topic: _now(counters, now) for (_, topic), counters in found.items() if topic}


def histories(
    session: Session,
    cluster_ids: Collection[uuid.UUID],
    *,
    now: dt.datetime,
    bucket_s: int,
    bucket_count: int,
) -> dict[uuid.UUID, History]:
    """The clusters' bytes in and out over the last `bucket_s * bucket_count` seconds."""
    # Buckets end at whole multiples, so that the same reading falls into the same bucket each time;
    # the last one is still being filled, and its rate is that of the part there is.
    end_s = (int(now.timestamp()) // bucket_s + 1) * bucket_s
    start_s = end_s - bucket_s * bucket_count
    start = dt.datetime.fromtimestamp(start_s, dt.UTC)
    found = _read(
        session,
        cluster_ids,
        since=start - dt.timedelta(seconds=60),
        by_topic=False,
        names=BYTE_COUNTERS,
        thin_s=max(bucket_s // 4, 1),
    )
    times_s = [start_s + bucket_s * (bucket + 1) for bucket in range(bucket_count)]

    def series(cluster_id: uuid.UUID, name: str) -> Series:
        counters = found.get((cluster_id, None), {})
        return _total(counters.get(name, []), start, bucket_s, bucket_count)

    return {
        cluster_id: History(
            times_s, series(cluster_id, "bytes_in_total"), series(cluster_id, "bytes_out_total")
        )
        for cluster_id in cluster_ids
    }


def gauge_now(
    session: Session, cluster_id: uuid.UUID, name: str, *, now: dt.datetime
) -> float | None:
    """A gauge's newest readings, summed over brokers; None: there is no fresh one."""
    row = MetricSampleRow
    newest = (
        select(row.value)
        .where(
            row.cluster_id == cluster_id,
            row.name == name,
            row.topic.is_(None),
            row.at >= now - GAUGE_WINDOW,
        )
        .ext(distinct_on(row.node_id, row.broker_id))
        .order_by(row.node_id, row.broker_id, row.at.desc())
    )
    values = session.scalars(newest).all()
    return sum(values) if values else None


# Readings of one cluster or topic: counter name -> one list per broker.
_Counters = Mapping[str, Sequence[Sequence[Reading]]]


def _now(counters: _Counters, now: dt.datetime) -> Rates:
    window_s = NOW_WINDOW.total_seconds()
    values = [_total(counters.get(name, []), now - NOW_WINDOW, window_s, 1)[0] for name in COUNTERS]
    return Rates(*values)


def _total(
    brokers: Iterable[Sequence[Reading]], start: dt.datetime, bucket_s: float, bucket_count: int
) -> Series:
    each = [
        rates(readings, start=start, bucket_s=bucket_s, bucket_count=bucket_count)
        for readings in brokers
    ]
    return summed(each, bucket_count)


def _read(
    session: Session,
    cluster_ids: Collection[uuid.UUID],
    *,
    since: dt.datetime,
    by_topic: bool,
    names: Sequence[str] = COUNTERS,
    thin_s: int | None = None,
) -> dict[tuple[uuid.UUID, str | None], dict[str, list[list[Reading]]]]:
    """Read counters; with `thin_s` only the last reading of each so many seconds and counter.

    A counter loses nothing by that: its last reading of a bucket holds all growth before it.
    """
    row = MetricSampleRow
    key = (row.cluster_id, row.topic, row.name, row.node_id, row.broker_id)
    statement = select(*key, row.at, row.value).where(
        row.cluster_id.in_(cluster_ids),
        row.name.in_(names),
        row.at >= since,
        row.topic.is_not(None) if by_topic else row.topic.is_(None),
    )
    if thin_s is None:
        statement = statement.order_by(*key, row.at)
    else:
        bucket = func.date_bin(dt.timedelta(seconds=thin_s), row.at, _EPOCH)
        statement = statement.ext(distinct_on(*key, bucket)).order_by(*key, bucket, row.at.desc())
    found: dict[tuple[uuid.UUID, str | None], dict[str, list[list[Reading]]]] = {}
    for parts, group in groupby(session.execute(statement), key=lambda each: tuple(each[:5])):
        readings = [Reading(each.at, each.value) for each in group]
        found.setdefault((parts[0], parts[1]), {}).setdefault(parts[2], []).append(readings)
    return found
