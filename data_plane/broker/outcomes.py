"""Answers that wait for metadata entries: kept, lost, or not known in time."""

import heapq
from collections.abc import Sequence
from itertools import count

from data_plane.protocol.errors import ErrorCode, KafkaError, NotController
from data_plane.raft.entries import EntryBatch
from data_plane.replication.waiting import Parked

OUTCOME_MS_MAX = 30_000  # after which nobody waits for an answer any more


class Outcomes:
    """Responses by the entry they wait for.

    An entry is known by offset and term: once another term's entry is committed at its offset it
    never was, and the request may be made again; while neither is committed nobody knows, even
    after this voter has stopped leading.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, int, Parked, object]] = []
        self._sequence = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, offset: int, term: int, response: object, *, now_ms: int) -> Parked:
        """Answer with `response` once the entry is committed."""
        parked = Parked()
        row = (offset, next(self._sequence), term, now_ms, parked, response)
        heapq.heappush(self._heap, row)
        return parked

    def committed(self, batches: Sequence[EntryBatch]) -> None:
        """Tell everyone whose offset these batches reach, lowest first."""
        for batch in batches:
            while self._heap and self._heap[0][0] <= batch.last_offset:
                _, _, term, _, parked, response = heapq.heappop(self._heap)
                parked.complete(response if term == batch.term else NotController())

    def replaced(self, offset: int) -> None:
        """A snapshot came instead of the entries up to `offset`: which they were is not known."""
        while self._heap and self._heap[0][0] <= offset:
            heapq.heappop(self._heap)[4].complete(_unknown())

    def lost(self) -> None:
        """What is not committed was never sent to anybody."""
        waiting, self._heap = sorted(self._heap, key=lambda row: row[:2]), []
        for row in waiting:
            row[4].complete(NotController())

    def expire(self, now_ms: int) -> None:
        """Give up on those whose entry has not been heard of for too long."""
        due = [row for row in self._heap if now_ms - row[3] >= OUTCOME_MS_MAX]
        if due:
            self._heap = [row for row in self._heap if now_ms - row[3] < OUTCOME_MS_MAX]
            heapq.heapify(self._heap)
            for row in sorted(due, key=lambda row: row[:2]):
                row[4].complete(_unknown())


def _unknown() -> KafkaError:
    return KafkaError("whether this was done is not known", code=ErrorCode.REQUEST_TIMED_OUT)
