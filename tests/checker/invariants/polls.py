"""8: a consumer's polls skip a record or go back, within one poll (int) or between polls (ext).

Between polls only while nothing gave the consumer a new position: an assignment, a seek or a
rebalance starts anew, and then the named position is where it must go on.
"""

from collections.abc import Iterator
from itertools import pairwise

from tests.checker.anomalies import Anomaly
from tests.checker.history import Chunk
from tests.checker.views import PartitionView, Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    for (process, partition), steps in history.steps.items():
        view = views.by_name.get(partition)
        if view is None:
            continue
        is_cleaned = history.is_cleaned(partition)
        position: int | None = None  # the next offset that this consumer may be given
        for chunk, start in steps:
            if chunk is None:
                position = start
                continue
            if not chunk.offsets:
                continue
            yield from between(view, process, position, chunk, is_cleaned=is_cleaned)
            yield from within(view, process, chunk, is_cleaned=is_cleaned)
            position = max(chunk.offsets) + 1


def between(
    view: PartitionView, process: str, position: int | None, chunk: Chunk, *, is_cleaned: bool
) -> Iterator[Anomaly]:
    """Compare the first record of a poll with where the consumer stood."""
    first = chunk.offsets[0]
    if position is None or first == position:
        return
    if first < position:
        witness = {"process": process, "position": position, "got": first, "at": chunk.t1}
        yield Anomaly("ext-nonmonotonic-poll", first, view.name, witness)
    elif not is_cleaned:
        yield from skipped(view, process, "ext-poll-skip", position, first, chunk)


def within(
    view: PartitionView, process: str, chunk: Chunk, *, is_cleaned: bool
) -> Iterator[Anomaly]:
    """Compare neighbours in one poll."""
    offsets = chunk.offsets
    if offsets[-1] - offsets[0] == len(offsets) - 1 and is_range(chunk):
        return  # Nearly always: nothing between neighbours, nothing to look up.
    for before, after in pairwise(offsets):
        if after <= before:
            witness = {"process": process, "before": before, "after": after, "at": chunk.t1}
            yield Anomaly("int-nonmonotonic-poll", after, view.name, witness)
        elif after > before + 1 and not is_cleaned:
            yield from skipped(view, process, "int-poll-skip", before + 1, after, chunk)


def is_range(chunk: Chunk) -> bool:
    return chunk.offsets.tolist() == list(range(chunk.offsets[0], chunk.offsets[-1] + 1))


def skipped(
    view: PartitionView, process: str, kind: str, low: int, high: int, chunk: Chunk
) -> Iterator[Anomaly]:
    """Yield one anomaly if [low, high) holds a record that this reader should have been given."""
    missed = next(view.visible_between(low, high, is_committed=chunk.is_committed), None)
    if missed is not None:
        witness = {
            "process": process,
            "expected_from": low,
            "got": high,
            "missed_offset": missed,
            "missed_value": view.value_at[missed],
            "at": chunk.t1,
        }
        yield Anomaly(kind, missed, view.name, witness)
