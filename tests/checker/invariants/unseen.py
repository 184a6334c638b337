"""2: an acknowledged record that even the final readers did not reach."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import NO_OFFSET
from tests.checker.invariants.lost_write import unread
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    sends = views.history.sends
    for row, view in unread(views):
        offset = sends.offset[row]
        if offset == NO_OFFSET or offset > view.highest_read:
            yield Anomaly("unseen", sends.invoked[row], view.name, views.send(row))
