"""17: records carry the timestamp they were sent with, and ListOffsets agrees with the log."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import OffsetAnswer
from tests.checker.views import PartitionView, Views

END, START = -1, -2


def check(views: Views) -> Iterator[Anomaly]:
    for view in views:
        yield from changed(views, view)
    for answer in views.history.offset_answers:
        asked = views.by_name.get(answer.partition)
        if answer.is_final and asked is not None:
            yield from disagreeing(views, asked, answer)


def changed(views: Views, view: PartitionView) -> Iterator[Anomaly]:
    """Yield records that were read with another timestamp than they were sent with."""
    sends = views.history.sends
    for chunk in views.history.chunks.get(view.name, ()):
        if not chunk.is_final or not chunk.timestamps:
            continue  # Those read everything; the rest would only say it again.
        for offset, value, told in zip(chunk.offsets, chunk.values, chunk.timestamps, strict=True):
            row = view.row_of.get(value)
            if row is not None and sends.timestamp[row] not in (told, -1):
                witness = {"offset": offset, "sent": sends.timestamp[row], "read": told}
                yield Anomaly("timestamp-changed", offset, view.name, witness)


def disagreeing(views: Views, view: PartitionView, answer: OffsetAnswer) -> Iterator[Anomaly]:
    """Judge one answer by what the final readers of the same isolation level found.

    A cleaner may have worked between their reads and the answer: where there is one, only what the
    disks hold at the very end was surely there when the answer was given.
    """
    is_committed = answer.isolation == "read_committed"
    is_cleaned = views.history.is_cleaned(view.name)
    at_the_end = on_disks(views, view) if is_cleaned else set()
    records = sorted(
        (offset, timestamp)
        for chunk in views.final_chunks(view.name, is_committed=is_committed)
        for offset, timestamp in zip(chunk.offsets, chunk.timestamps, strict=False)
        if not is_cleaned or offset in at_the_end
    )
    if not records:
        return
    wrong = reason(answer, records)
    if wrong is not None:
        witness = {"at": answer.at, "told": answer.offset, "reason": wrong}
        yield Anomaly("list-offsets", answer.offset or 0, view.name, witness)


def on_disks(views: Views, view: PartitionView) -> set[int]:
    replicas = views.history.replicas.get(view.name, ())
    return {offset for _, chunk in replicas for offset in chunk.offsets}


def reason(answer: OffsetAnswer, records: list[tuple[int, int]]) -> str | None:
    first, last = records[0][0], records[-1][0]
    offset = answer.offset
    if answer.at == END:
        is_wrong = offset is None or offset <= last
        return f"the end is before the record at {last}" if is_wrong else None
    if answer.at == START:
        is_wrong = offset is None or offset > first
        return f"the start is after the record at {first}" if is_wrong else None
    expected = next(((o, t) for o, t in records if t >= answer.at), None)
    if expected is None:
        return None  # Control batches have timestamps too.
    if offset is None:
        return f"the record at {expected[0]} is of {expected[1]}"
    if offset > expected[0]:
        return f"the record at {expected[0]}, of {expected[1]}, is before it"
    if any(o == offset and t < answer.at for o, t in records):
        return "the record there is older"
    return None
