"""What looks odd and is normal for Kafka: counted in the report, never held against a history."""

from tests.checker.graph import components
from tests.checker.history import OK
from tests.checker.invariants.duplicate import count_sent_anew
from tests.checker.views import PartitionView, Views


def count_allowed(views: Views) -> dict[str, int]:
    """Write cycles (G0), skipped offsets between a producer's sends, sends of a new epoch."""
    return {
        "G0": sum(1 for _ in components(write_edges(views))),
        "int-send-skip": sum(send_skips(views, view) for view in views),
        "sent-anew": count_sent_anew(views),
    }


def write_edges(views: Views) -> dict[str, set[str]]:
    """Transaction -> those whose records follow its own directly in some partition."""
    sends = views.history.sends
    found: dict[str, set[str]] = {}
    if not sends.transaction:
        return found
    for view in views:
        before = None
        for offset in view.offsets:
            writer = sends.transaction.get(view.row_of.get(view.value_at[offset], -1))
            if writer is None:
                continue
            if before is not None and before is not writer:
                found.setdefault(before.name, set()).add(writer.name)
            before = writer
    return found


def send_skips(views: Views, view: PartitionView) -> int:
    """Count pairs of a producer's neighbouring sends with other records between them."""
    sends = views.history.sends
    last: dict[int, int] = {}
    count = 0
    for row in view.sends:
        if sends.state[row] == OK and sends.offset[row] >= 0:
            process, offset = sends.process[row], sends.offset[row]
            count += last.get(process, offset) + 1 < offset
            last[process] = offset
    return count
