"""16: compaction keeps the last record of each key; retention takes nothing that is too young."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import PartitionView, Views


def check(views: Views) -> Iterator[Anomaly]:
    for view in views:
        topic = views.history.topic(view.name)
        if not topic.get("cleanup"):
            continue
        kept = {
            value
            for is_committed in (False, True)
            for chunk in views.final_chunks(view.name, is_committed=is_committed)
            for value in chunk.values
        }
        if not kept and not has_final_read(views, view):
            continue
        if topic["cleanup"] == "compact":
            yield from lost_keys(views, view, kept)
        elif "retention_ms" in topic:
            yield from gone_early(views, view, kept, topic["retention_ms"])


def has_final_read(views: Views, view: PartitionView) -> bool:
    return any(True for _ in views.final_chunks(view.name, is_committed=False))


def lost_keys(views: Views, view: PartitionView, kept: set[int]) -> Iterator[Anomaly]:
    """The greatest offset of each key is known from acknowledgements and earlier reads."""
    sends = views.history.sends
    last: dict[int, tuple[int, int]] = {}  # key -> (offset, row)
    for row in view.sends:
        offset = view.offset_of.get(sends.value[row])
        if offset is None or not view.is_committed(sends.value[row]):
            continue
        if offset > last.get(sends.key[row], (-1, 0))[0]:
            last[sends.key[row]] = (offset, row)
    for key, (offset, row) in last.items():
        if sends.value[row] not in kept:
            witness = {"key": key, "offset": offset, "send": views.send(row)}
            yield Anomaly("compaction-lost-key", offset, view.name, witness)


def gone_early(
    views: Views, view: PartitionView, kept: set[int], retention_ms: int
) -> Iterator[Anomaly]:
    """Compare with the wall clock at the last poll of the final readers, told by the run."""
    now_ms = views.history.meta.get("ended_ms")
    if now_ms is None:
        return
    sends = views.history.sends
    for row in view.sends:
        value = sends.value[row]
        offset = view.offset_of.get(value)
        if offset is None or value in kept or sends.timestamp[row] <= now_ms - retention_ms:
            continue
        witness = {"offset": offset, "age_ms": now_ms - sends.timestamp[row], **views.send(row)}
        yield Anomaly("retention-early", offset, view.name, witness)
