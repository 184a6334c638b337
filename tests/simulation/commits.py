"""Who committed what for a group, as its coordinator's own log has it.

A member commits in the generation that it is in: from the record of a later one on, whose members
have its partitions, nothing of it counts (classic_sync.py, KIP-134). The log does not say who
committed an offset; the members do, who never try a number twice.
"""

from collections.abc import Sequence

from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupRemoved,
    OffsetCommitted,
    decode_record,
)
from tests.simulation.invariants import Violation
from tests.simulation.oracle import Batch

GROUPS_TOPIC = "__consumer_offsets"


class Commits:
    """Told of every try, and of every batch that is committed, in order within its partition."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}  # classic groups: the newest one that is committed
        self._tried: dict[tuple[str, int, int], int] = {}  # (group, partition, offset): generation

    def tries(self, group_id: str, index: int, offset: int, generation: int) -> None:
        self._tried[group_id, index, offset] = generation

    def take(self, topic: str, batches: Sequence[Batch]) -> None:
        """Raises Violation."""
        if topic != GROUPS_TOPIC:
            return
        for batch in batches:
            for key, value in () if batch.is_control else batch.records().values():
                self._take_record(key, value)

    def _take_record(self, key: bytes | None, value: bytes | None) -> None:
        record = None if key is None else decode_record(key, value)
        if isinstance(record, GroupChanged):
            self._generations[record.group_id] = record.generation
        elif isinstance(record, GroupRemoved):
            self._generations.pop(record.group_id, None)
        elif isinstance(record, OffsetCommitted):
            self._is_of_generation(record)

    def _is_of_generation(self, record: OffsetCommitted) -> None:
        at = (record.group_id, record.partition, record.offset)
        now, tried = self._generations.get(record.group_id), self._tried.get(at)
        if None not in (now, tried) and now != tried:
            raise Violation(
                f"group {record.group_id}: {record.offset} of partition {record.partition} is "
                f"committed in generation {now}, by a member of {tried}"
            )
