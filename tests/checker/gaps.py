"""How long each partition took no record, and what was at fault then."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tests.checker.history import OK, Fault, History, topic_of
from tests.checker.views import Views

SHOWN_MAX = 32


class Gap(NamedTuple):
    """A stretch without an acknowledgement, while somebody was waiting for one."""

    partition: str
    t0: int
    t1: int
    causes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return (self.t1 - self.t0) / 1e9


class Recoveries(NamedTuple):
    """seconds: from the end of a fault to the next acknowledgement, for each partition.

    cut_short: where the next fault began before it: from the end of the one to the beginning of the
    other, so it would have taken longer than that.
    """

    seconds: list[float]
    cut_short: list[float]


def acknowledged_times(history: History, rows: Iterable[int]) -> list[int]:
    return sorted(history.sends.done[row] for row in rows)


def longest_gaps(views: Views) -> list[Gap]:
    """The longest stretch of each partition around each fault, in the order of time."""
    history = views.history
    found: list[Gap] = []
    for view in views:
        acked = acknowledged_times(
            history, [row for row in view.sends if history.sends.state[row] == OK]
        )
        if len(acked) < 2:
            continue
        for fault in history.faults:
            if fault.partitions and view.name not in fault.partitions:
                continue
            gap = longest_around(view.name, acked, fault)
            if gap is not None:
                found.append(gap)
    return sorted(found, key=lambda gap: gap.t0)


def longest_around(partition: str, acked: Sequence[int], fault: Fault) -> Gap | None:
    """The longest pair of neighbouring acknowledgements that this fault lies between or cuts."""
    first = max(1, bisect_left(acked, fault.t0))
    last = min(len(acked) - 1, bisect_right(acked, fault.t1))
    pairs = [(acked[at] - acked[at - 1], acked[at - 1], acked[at]) for at in range(first, last + 1)]
    if not pairs:
        return None
    _, early, late = max(pairs)
    return Gap(partition, early, late, (fault.name,))


def recoveries(views: Views, topic: str) -> Recoveries:
    """How long after each fault's end a topic's partitions took the next record.

    Of the partitions that the fault names, or of all. One that took nothing any more is not in it:
    that it takes records at the end of a run is asked for elsewhere.
    """
    history, sends = views.history, views.history.sends
    begins = sorted(fault.t0 for fault in history.faults)
    found = Recoveries([], [])
    for view in views:
        if topic_of(view.name) != topic:
            continue
        acked = acknowledged_times(history, [row for row in view.sends if sends.state[row] == OK])
        for fault in history.faults:
            at = bisect_left(acked, fault.t1)
            if at == len(acked) or (fault.partitions and view.name not in fault.partitions):
                continue
            following = bisect_right(begins, fault.t1)
            if following < bisect_left(begins, acked[at]):
                found.cut_short.append((begins[following] - fault.t1) / 1e9)
            else:
                found.seconds.append((acked[at] - fault.t1) / 1e9)
    return found


def quantiles(values: Sequence[float]) -> dict[str, float | int]:
    """N, p50, p99 and max; empty where there is nothing."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return {
        "n": len(ordered),
        "p50": round(at(0.5), 3),
        "p99": round(at(0.99), 3),
        "max": round(ordered[-1], 3),
    }


def gap_report(views: Views) -> dict[str, Any]:
    """Gaps by fault (seconds), and the longest ones with their cause."""
    gaps = longest_gaps(views)
    by_fault: dict[str, list[float]] = {}
    for gap in gaps:
        by_fault.setdefault(gap.causes[0], []).append(gap.seconds)
    longest = sorted(gaps, key=lambda gap: -gap.seconds)[:SHOWN_MAX]
    return {
        "by_fault": {name: quantiles(seconds) for name, seconds in sorted(by_fault.items())},
        "longest": [
            {"partition": gap.partition, "seconds": round(gap.seconds, 3), "cause": gap.causes[0]}
            for gap in longest
        ],
    }
