"""6: a reader of committed records got a value before its transaction's commit was asked for.

A transaction that polls what it wrote itself is the plainest case.
"""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    sends = history.sends
    for view in views:
        in_transactions = {
            sends.value[row]: sends.transaction[row]
            for row in view.sends
            if row in sends.transaction
        }
        if not in_transactions:
            continue
        for chunk in history.chunks.get(view.name, ()):
            if not chunk.is_committed:
                continue
            for offset, value in zip(chunk.offsets, chunk.values, strict=True):
                writer = in_transactions.get(value)
                if writer is not None and chunk.t1 < writer.commit_at:
                    witness = {
                        "offset": offset,
                        "value": value,
                        "written_in": writer.name,
                        "read_by": chunk.process,
                        "read_in": chunk.transaction,
                        "read_at": chunk.t1,
                    }
                    yield Anomaly("precommitted-read", chunk.t1, view.name, witness)
