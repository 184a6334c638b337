"""19: while nothing is at fault, an acknowledged record reaches a waiting reader within 5 s.

Readers whose role is `tail` poll without pause from the end; their reads are compared with the
acknowledgements.
"""

from bisect import bisect_right
from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import NEVER, OK, Client, History
from tests.checker.views import PartitionView, Views

LAG_NS_MAX = 5 * 1_000_000_000
RECOVERY_NS = 10 * 1_000_000_000  # after a fault is over, before the limit counts again


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    quiet = QuietTimes(history)
    for name in {p for _, p in history.steps}:
        view = views.by_name.get(name)
        tails = [
            client
            for client in history.clients.values()
            if client.role == "tail" and (client.name, name) in history.steps
        ]
        if view is None or history.is_cleaned(name):
            continue
        for client in tails:
            yield from late(views, view, client, quiet)


def late(
    views: Views, view: PartitionView, client: Client, quiet: "QuietTimes"
) -> Iterator[Anomaly]:
    history = views.history
    sends = history.sends
    first_read: dict[int, int] = {}
    began = NEVER
    for chunk, _ in history.steps[client.name, view.name]:
        if chunk is not None:
            began = min(began, chunk.t0)
            for value in chunk.values:
                first_read.setdefault(value, chunk.t1)
    for row in view.sends:
        done = sends.done[row]
        if sends.state[row] != OK or row in sends.transaction or done < began:
            continue
        deadline = done + LAG_NS_MAX
        if first_read.get(sends.value[row], NEVER) <= deadline:
            continue
        if deadline < client.last_seen and quiet.holds(done, deadline):
            seen = first_read.get(sends.value[row])
            lag = None if seen is None else (seen - done) / 1e9
            witness = {"reader": client.name, "lag_s": lag, "send": views.send(row)}
            yield Anomaly("late", done, view.name, witness)


class QuietTimes:
    """Answers whether a span of time is clear of faults and of recovery from them."""

    def __init__(self, history: History) -> None:
        spans = sorted((f.t0, min(f.t1 + RECOVERY_NS, NEVER)) for f in history.faults)
        self._starts: list[int] = []
        self._ends: list[int] = []  # the latest end of all spans up to here
        for start, end in spans:
            self._starts.append(start)
            self._ends.append(max(end, self._ends[-1] if self._ends else 0))

    def holds(self, t0: int, t1: int) -> bool:
        at = bisect_right(self._starts, t1) - 1
        return at < 0 or self._ends[at] < t0
