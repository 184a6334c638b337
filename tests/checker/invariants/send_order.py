"""9: one producer's acknowledged offsets in one partition go back, in the order it sent."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import OK
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    sends = history.sends
    for view in views:
        last: dict[int, int] = {}  # process -> row of its last acknowledged send
        for row in view.sends:
            if sends.state[row] != OK or sends.offset[row] < 0:
                continue
            process = sends.process[row]
            before = last.get(process)
            if before is not None and sends.offset[row] <= sends.offset[before]:
                witness = {"before": views.send(before), "after": views.send(row)}
                yield Anomaly("nonmonotonic-send", sends.offset[row], view.name, witness)
            last[process] = row
