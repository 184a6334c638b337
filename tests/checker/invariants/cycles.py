"""11 (G1c): transactions that each read what the next one wrote, round in a circle.

Only write-read edges of committed reads make a cycle bad; in Kafka transactions of two producers
interleave, so cycles of write-write edges are normal (allowed.py counts them).
"""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.graph import components
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    for component in components(edges(views)):
        first = min(component, key=lambda name: history.transactions[name].commit_at)
        witness = {"transactions": sorted(component)[:16], "size": len(component)}
        yield Anomaly("G1c", history.transactions[first].commit_at, "", witness)


def edges(views: Views) -> dict[str, set[str]]:
    """Writer -> the transactions that read something it wrote, itself left out (that is 6)."""
    history = views.history
    sends = history.sends
    found: dict[str, set[str]] = {}
    for view in views:
        chunks = [
            chunk
            for chunk in history.chunks.get(view.name, ())
            if chunk.transaction is not None and chunk.is_committed
        ]
        if not chunks:
            continue
        row_of = view.row_of
        for chunk in chunks:
            assert chunk.transaction is not None, "the others were left out"
            reader = history.transactions.get(chunk.transaction)
            if reader is None or reader.outcome == "aborted":
                continue
            for value in chunk.values:
                writer = sends.transaction.get(row_of.get(value, -1))
                if writer is not None and writer is not reader:
                    found.setdefault(writer.name, set()).add(reader.name)
    return found
