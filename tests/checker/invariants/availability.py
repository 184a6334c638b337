"""18: after everything was healed nobody waits longer than a minute. Gaps are in gaps.py."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.gaps import acknowledged_times
from tests.checker.history import OK
from tests.checker.views import Views

STUCK_NS = 60 * 1_000_000_000


def check(views: Views) -> Iterator[Anomaly]:
    yield from stuck_processes(views)
    yield from stuck_partitions(views)


def stuck_processes(views: Views) -> Iterator[Anomaly]:
    """Yield what was begun and never answered, more than a minute after the heal."""
    history = views.history
    healed = history.phases.get("heal", 0)
    for begun in history.begun.values():
        client = history.clients[begun.process]
        if begun.op == "nemesis" or client.died_at <= history.ended_at:
            continue
        waited = history.ended_at - max(begun.t0, healed)
        if waited > STUCK_NS:
            witness = {"process": begun.process, "op": begun.op, "waited_s": waited // 10**9}
            yield Anomaly("stuck", begun.t0, str(begun.line.get("tp", "")), witness)


def stuck_partitions(views: Views) -> Iterator[Anomaly]:
    """Yield partitions that took no send for a minute after the heal though they were asked to."""
    history = views.history
    sends = history.sends
    healed = history.phases.get("heal")
    if healed is None:
        return
    for view in views:
        asked = [row for row in view.sends if sends.invoked[row] >= healed]
        if not asked or sends.invoked[asked[-1]] - healed <= STUCK_NS:
            continue
        acked = acknowledged_times(history, [row for row in asked if sends.state[row] == OK])
        first = acked[0] if acked else history.ended_at
        if first - healed > STUCK_NS:
            witness = {"healed": healed, "first_ack_s": (first - healed) // 10**9}
            yield Anomaly("stuck", healed, view.name, witness)
