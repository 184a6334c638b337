"""The part of the log that a node holds in memory: every batch behind `mark`."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from data_plane.raft.entries import EntryBatch


class Mark(NamedTuple):
    """The last entry of a prefix: equal marks mean equal prefixes (log matching)."""

    offset: int = -1
    term: int = 0


def size_bytes_of(batch: EntryBatch) -> int:
    return 20 + sum(map(len, batch.entries)) + 4 * len(batch.entries)


class MemoryLog:
    """Batches in order without a gap; places between them are what messages refer to."""

    def __init__(self, mark: Mark, batches: Sequence[EntryBatch] = ()) -> None:
        """mark: what `batches` follow."""
        self.mark = mark
        self._batches = list(batches)
        self._bases = [batch.base_offset for batch in batches]
        self.size_bytes = sum(map(size_bytes_of, batches))

    @property
    def last(self) -> Mark:
        if not self._batches:
            return self.mark
        last = self._batches[-1]
        return Mark(last.last_offset, last.term)

    @property
    def end_offset(self) -> int:
        return self.last.offset + 1

    def append(self, batch: EntryBatch) -> None:
        assert batch.base_offset == self.end_offset, "a log has no gap"
        self._batches.append(batch)
        self._bases.append(batch.base_offset)
        self.size_bytes += size_bytes_of(batch)

    def holds(self, batch: EntryBatch) -> bool:
        """True if this very batch is in the log: one term has one batch at an offset."""
        found = self._starting_at(batch.base_offset)
        return found is not None and found.term == batch.term

    def term_ending_at(self, offset: int) -> int | None:
        """The term of the batch that ends there; None if none does, or it is not held any more."""
        if offset == self.mark.offset:
            return self.mark.term
        found = self._covering(offset)
        return found.term if found is not None and found.last_offset == offset else None

    def mark_at_most(self, offset: int, term: int) -> Mark | None:
        """The last end of a batch not behind `offset` and of no later term; None: before `mark`."""
        at = bisect_right(self._bases, offset) - 1
        while at >= 0:
            batch = self._batches[at]
            if batch.last_offset <= offset and batch.term <= term:
                return Mark(batch.last_offset, batch.term)
            at -= 1
        if self.mark.offset <= offset and self.mark.term <= term:
            return self.mark
        return None

    def between(self, start: int, end: int, bytes_max: int | None = None) -> list[EntryBatch]:
        """The batches in [start, end), both at a batch's edge; at least one if there is any."""
        at = bisect_right(self._bases, start - 1)
        found: list[EntryBatch] = []
        size_bytes = 0
        for batch in self._batches[at:]:
            size_bytes += size_bytes_of(batch)
            if batch.last_offset >= end or (bytes_max is not None and size_bytes > bytes_max):
                if not found and batch.last_offset < end:
                    found.append(batch)
                break
            found.append(batch)
        return found

    def truncate_from(self, offset: int) -> None:
        """Drop everything from `offset` on, which is at a batch's beginning."""
        while self._batches and self._batches[-1].base_offset >= offset:
            self.size_bytes -= size_bytes_of(self._batches.pop())
            self._bases.pop()

    def drop_through(self, offset: int, *, wanted_from: int, bytes_max: int) -> None:
        """Forget what a snapshot up to `offset` holds.

        What somebody still wants, from `wanted_from` on, stays as long as it is not over
        `bytes_max` with all that follows.
        """
        count, left = 0, self.size_bytes
        for batch in self._batches:
            if batch.last_offset > offset:
                break
            if batch.last_offset >= wanted_from and left <= bytes_max:
                break
            left -= size_bytes_of(batch)
            self.mark = Mark(batch.last_offset, batch.term)
            count += 1
        del self._batches[:count], self._bases[:count]
        self.size_bytes = left

    def _starting_at(self, offset: int) -> EntryBatch | None:
        found = self._covering(offset)
        return found if found is not None and found.base_offset == offset else None

    def _covering(self, offset: int) -> EntryBatch | None:
        at = bisect_right(self._bases, offset) - 1
        if at < 0 or self._batches[at].last_offset < offset:
            return None
        return self._batches[at]
