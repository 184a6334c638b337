"""5 (G1a): a value whose send failed was read, or one of an aborted transaction as committed."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import FAIL
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    sends = views.history.sends
    for view in views:
        for row in view.sends:
            value = sends.value[row]
            if sends.state[row] == FAIL and value in view.read:
                yield Anomaly("aborted-read", sends.invoked[row], view.name, views.send(row))
                continue
            transaction = sends.transaction.get(row)
            if transaction is None or value not in view.read_committed:
                continue
            is_aborted = transaction.commit == "fail" or transaction.abort == "ok"
            if is_aborted and transaction.commit != "ok":
                yield Anomaly("aborted-read", sends.invoked[row], view.name, views.send(row))
