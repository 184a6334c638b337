"""7: some records of a transaction are visible to readers of committed records, others never."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import OK
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    sends = history.sends
    for transaction in history.transactions.values():
        seen: list[int] = []
        missing: list[int] = []
        for row in transaction.sends:
            name = history.partitions[sends.partition[row]]
            if sends.state[row] != OK or history.is_cleaned(name):
                continue
            is_seen = sends.value[row] in views.by_name[name].read_committed
            (seen if is_seen else missing).append(row)
        if seen and missing:
            witness = {
                "transaction": transaction.name,
                "outcome": transaction.outcome,
                "seen": len(seen),
                "missing": [views.send(row) for row in missing[:3]],
            }
            name = history.partitions[sends.partition[missing[0]]]
            yield Anomaly("torn-transaction", sends.invoked[missing[0]], name, witness)
