"""1: an acknowledged record below the highest offset read, which nobody ever read."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import NO_OFFSET, OK
from tests.checker.views import PartitionView, Views


def check(views: Views) -> Iterator[Anomaly]:
    for row, view in unread(views):
        offset = views.history.sends.offset[row]
        if offset != NO_OFFSET and offset <= view.highest_read:
            yield Anomaly("lost-write", offset, view.name, views.send(row))


def unread(views: Views) -> Iterator[tuple[int, PartitionView]]:
    """Yield acknowledged sends that no poll returned, though it should have.

    A record of a transaction counts if the commit was acknowledged, and then under read_committed.
    """
    history = views.history
    sends, transactions = history.sends, history.sends.transaction
    for view in views:
        if history.is_cleaned(view.name):
            continue
        for row in view.sends:
            if sends.state[row] != OK:
                continue
            transaction = transactions.get(row)
            if transaction is None:
                seen = view.read
            elif transaction.outcome == "committed":
                seen = view.read_committed
            else:
                continue
            if sends.value[row] not in seen:
                yield row, view
