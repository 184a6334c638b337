"""3: one value at two offsets, although its producer was idempotent."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    for view in views:
        for value, first, second, who in view.repeats:
            row = view.row_of.get(value)
            if row is not None:
                process = history.processes[history.sends.process[row]]
                if not history.clients[process].is_idempotent:
                    continue
            witness = {"value": value, "offsets": [first, second], "seen_by": who}
            yield Anomaly("duplicate", min(first, second), view.name, witness)
