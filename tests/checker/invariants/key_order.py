"""10: records of one key and one producer lie in the log in another order than they were sent.

Unlike 9 it judges what is in the log, also for sends that were never acknowledged: an idempotent
producer's late retry must not overtake.
"""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    sends = history.sends
    for view in views:
        last: dict[tuple[int, int], tuple[int, int]] = {}  # (process, key) -> (offset, row)
        for row in view.sends:
            offset = view.offset_of.get(sends.value[row])
            if offset is None or sends.value[row] not in view.read:
                continue
            process = sends.process[row]
            if not history.clients[history.processes[process]].is_idempotent:
                continue
            key = (process, sends.key[row])
            before = last.get(key)
            if before is not None and offset <= before[0]:
                witness = {
                    "before": views.send(before[1]) | {"offset": before[0]},
                    "after": views.send(row) | {"offset": offset},
                }
                yield Anomaly("key-order", offset, view.name, witness)
            last[key] = (offset, row)
