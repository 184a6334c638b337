"""Counter readings to rates per second in equal buckets; what was not measured stays None."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Readings further apart than this are two episodes: what went on between them is not known.
GAP_MAX = dt.timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one counter of one process."""

    at: dt.datetime
    value: float


def growth(before: Reading, after: Reading) -> float:
    """A counter that fell was reset by a restart: what it shows has grown since then."""
    return after.value - before.value if after.value >= before.value else after.value


def rates(
    readings: Sequence[Reading], *, start: dt.datetime, bucket_s: float, bucket_count: int
) -> list[float | None]:
    """Average growth per second of one counter in each of `bucket_count` buckets from `start`.

    readings: in order of time; each pair's growth is spread evenly over the time between them.
    A bucket that no pair reaches into is None.
    """
    grown = [0.0] * bucket_count
    covered_s = [0.0] * bucket_count
    for before, after in pairwise(readings):
        if not before.at < after.at <= before.at + GAP_MAX:
            continue
        from_s, to_s = (after_s(start, before.at), after_s(start, after.at))
        per_s = growth(before, after) / (to_s - from_s)
        for bucket in range(max(int(from_s // bucket_s), 0), bucket_count):
            left = max(from_s, bucket * bucket_s)
            overlap_s = min(to_s, (bucket + 1) * bucket_s) - left
            if overlap_s <= 0:
                break
            grown[bucket] += per_s * overlap_s
            covered_s[bucket] += overlap_s
    return [
        total / seconds if seconds > 0 else None
        for total, seconds in zip(grown, covered_s, strict=True)
    ]


def after_s(start: dt.datetime, at: dt.datetime) -> float:
    return (at - start).total_seconds()


def summed(all_series: Iterable[Sequence[float | None]], bucket_count: int) -> list[float | None]:
    """Add series bucket by bucket; None only where none of them has a value."""
    total: list[float | None] = [None] * bucket_count
    for series in all_series:
        for bucket, value in enumerate(series):
            if value is not None:
                total[bucket] = (total[bucket] or 0.0) + value
    return total
