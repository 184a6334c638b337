"""3: one value at two offsets, although its producer was idempotent.

A producer that cannot go on with its sequence begins a new epoch and sends anew all that it has no
answer for (KIP-360): what had been kept of that is there twice, each copy under its own epoch. No
broker can know the second for a repeat; librdkafka does so for all partitions once one of them was
refused a sequence (its issue 4953). That is allowed, and counted. Two copies under one epoch are a
broker's mistake, and so are those whose epochs nobody knows.
"""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import PartitionView, Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    for view in views:
        for value, first, second, who in view.repeats:
            row = view.row_of.get(value)
            if row is not None:
                process = history.processes[history.sends.process[row]]
                if not history.clients[process].is_idempotent:
                    continue
            if is_sent_anew(views, view, first, second):
                continue
            witness = {"value": value, "offsets": [first, second], "seen_by": who}
            yield Anomaly("duplicate", min(first, second), view.name, witness)


def is_sent_anew(views: Views, view: PartitionView, first: int, second: int) -> bool:
    """Say whether all disks have the later copy under a later epoch of the same producer."""
    writers = views.history.writers.get(view.name, {})
    before, after = writers.get(min(first, second), set()), writers.get(max(first, second), set())
    if len(before) != 1 or len(after) != 1:
        return False
    (old_id, old_epoch), (new_id, new_epoch) = *before, *after
    return old_id == new_id >= 0 and old_epoch < new_epoch


def count_sent_anew(views: Views) -> int:
    """Count the values that their producer itself has sent again under another epoch."""
    return len(
        {
            (view.name, value)
            for view in views
            for value, first, second, _ in view.repeats
            if is_sent_anew(views, view, first, second)
        }
    )
