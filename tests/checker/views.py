"""One partition as everybody together saw it: which value is at which offset, who saw it when."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from tests.checker.history import FAIL, NEVER, NO_OFFSET, OK, Chunk, History


class PartitionView:
    """The union of all reads, acknowledgements and replicas of one partition."""

    def __init__(self, history: History, name: str) -> None:
        self.name = name
        self.value_at: dict[int, int] = {}  # the first value seen at each offset
        self.offset_of: dict[int, int] = {}  # the first offset at which each value was seen
        self.conflicts: list[tuple[int, int, int, str]] = []  # offset, two values, who
        self.repeats: list[tuple[int, int, int, str]] = []  # value, two offsets, who
        self.read: set[int] = set()  # values returned by some poll
        self.read_committed: set[int] = set()  # ... under read_committed
        self.highest_read = -1
        self.sends: list[int] = []  # rows, in the order of their processes
        self._history = history
        self._by_value: dict[int, int] | None = None

    def take_chunk(self, chunk: Chunk, who: str, *, is_poll: bool) -> None:
        """Add what a poll or a disk shows."""
        value_at, offset_of = self.value_at, self.offset_of
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            if value_at.setdefault(offset, value) != value:
                self.conflicts.append((offset, value_at[offset], value, who))
            elif offset_of.setdefault(value, offset) != offset:
                self.repeats.append((value, offset_of[value], offset, who))
        if is_poll and chunk.offsets:
            self.read.update(chunk.values)
            if chunk.is_committed:
                self.read_committed.update(chunk.values)
            self.highest_read = max(self.highest_read, *chunk.offsets)

    def take_reply(self, row: int) -> None:
        """Add what an acknowledged send was told. Bad offsets are another invariant's business."""
        sends = self._history.sends
        offset, value = sends.offset[row], sends.value[row]
        if offset < 0:
            return
        who = self._history.processes[sends.process[row]]
        if self.value_at.setdefault(offset, value) != value:
            self.conflicts.append((offset, self.value_at[offset], value, who))
        elif self.offset_of.setdefault(value, offset) != offset:
            self.repeats.append((value, self.offset_of[value], offset, who))

    @property
    def row_of(self) -> dict[int, int]:
        """The send of each value."""
        if self._by_value is None:
            value = self._history.sends.value
            self._by_value = {value[row]: row for row in self.sends}
        return self._by_value

    @cached_property
    def offsets(self) -> list[int]:
        """All offsets at which some value was seen, ascending."""
        return sorted(self.value_at)

    def visible_between(self, low: int, high: int, *, is_committed: bool) -> Iterator[int]:
        """Yield known offsets in [low, high) that a reader of that isolation must be given."""
        first, last = bisect_left(self.offsets, low), bisect_right(self.offsets, high - 1)
        for at in range(first, last):
            offset = self.offsets[at]
            if not is_committed or self.is_committed(self.value_at[offset]):
                yield offset

    def is_committed(self, value: int) -> bool:
        """Say whether readers of committed records must be given this value of the log."""
        if value in self.read_committed:
            return True
        row = self.row_of.get(value)
        if row is None:
            return False
        transaction = self._history.sends.transaction.get(row)
        return transaction is None or transaction.outcome == "committed"


class Views:
    """All partitions of a history, and the answers that several invariants ask for."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.by_name: dict[str, PartitionView] = {}
        sends = history.sends
        views = [self._view(name) for name in history.partitions]
        for row, partition in enumerate(sends.partition):
            views[partition].sends.append(row)
        for name, chunks in history.chunks.items():
            view = self._view(name)
            for chunk in chunks:
                view.take_chunk(chunk, chunk.process, is_poll=True)
        for name, logs in history.replicas.items():
            view = self._view(name)
            for broker, chunk in logs:
                view.take_chunk(chunk, f"disk of broker {broker}", is_poll=False)
        for row, (partition, state) in enumerate(zip(sends.partition, sends.state, strict=True)):
            if state == OK:
                views[partition].take_reply(row)

    def _view(self, name: str) -> PartitionView:
        view = self.by_name.get(name)
        if view is None:
            view = self.by_name[name] = PartitionView(self.history, name)
        return view

    def __iter__(self) -> Iterator[PartitionView]:
        return iter(self.by_name.values())

    def send(self, row: int) -> dict[str, Any]:
        """Return a send as a witness shows it."""
        history, sends = self.history, self.history.sends
        states = {OK: "ok", FAIL: "fail"}
        shown: dict[str, Any] = {
            "partition": history.partitions[sends.partition[row]],
            "process": history.processes[sends.process[row]],
            "value": sends.value[row],
            "outcome": states.get(sends.state[row], "info"),
            "invoked": sends.invoked[row],
        }
        if sends.key[row] >= 0:
            shown["key"] = sends.key[row]
        if sends.done[row] != NEVER:
            shown["done"] = sends.done[row]
        if sends.offset[row] != NO_OFFSET:
            shown["offset"] = sends.offset[row]
        if row in sends.transaction:
            transaction = sends.transaction[row]
            shown["transaction"] = {"name": transaction.name, "outcome": transaction.outcome}
        return shown

    def final_chunks(self, partition: str, *, is_committed: bool) -> Iterable[Chunk]:
        """Yield what the final readers of one isolation level got of a partition."""
        for chunk in self.history.chunks.get(partition, ()):
            if chunk.is_final and chunk.is_committed == is_committed:
                yield chunk
