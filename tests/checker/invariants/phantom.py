"""12: a value was read that nobody sent, or that was sent to another partition."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    sent_to: dict[int, list[str]] | None = None
    for view in views:
        strange = view.offset_of.keys() - view.row_of.keys()
        if strange and sent_to is None:
            sent_to = destinations(views)
        for value in strange:
            assert sent_to is not None, "made above"
            witness = {
                "offset": view.offset_of[value],
                "value": value,
                "sent_to": sent_to.get(value, []),
            }
            yield Anomaly("phantom", view.offset_of[value], view.name, witness)


def destinations(views: Views) -> dict[int, list[str]]:
    """Every value, and the partitions it was sent to."""
    sends, partitions = views.history.sends, views.history.partitions
    found: dict[int, list[str]] = {}
    for value, partition in zip(sends.value, sends.partition, strict=True):
        found.setdefault(value, []).append(partitions[partition])
    return found
