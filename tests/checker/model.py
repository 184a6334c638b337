"""A Kafka small enough to be right by eye: the log behind generated histories (worlds.py)."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Entry:
    """One offset of a log; `value` is None for the marker of a transaction."""

    value: int | None
    key: int
    timestamp: int
    transaction: str | None
    is_removed: bool = False


@dataclass(slots=True)
class ModelLog:
    """One partition; an entry's index is its offset."""

    entries: list[Entry] = field(default_factory=list)

    def append(self, value: int | None, key: int, timestamp: int, transaction: str | None) -> int:
        self.entries.append(Entry(value, key, timestamp, transaction))
        return len(self.entries) - 1


class Model:
    """All partitions, transactions and committed offsets."""

    def __init__(self) -> None:
        self.logs: dict[str, ModelLog] = {}
        self.transactions: dict[str, str] = {}  # name -> open, committed, aborted
        self.committed: dict[tuple[str, str], int] = {}  # group and partition

    def log(self, partition: str) -> ModelLog:
        return self.logs.setdefault(partition, ModelLog())

    def end_transaction(self, name: str, state: str, offsets: dict[tuple[str, str], int]) -> None:
        """Decide, write a marker to each partition it touched, let its offsets count."""
        self.transactions[name] = state
        for log in self.logs.values():
            if any(e.transaction == name and e.value is not None for e in log.entries):
                log.append(None, -1, log.entries[-1].timestamp, name)
        if state == "committed":
            self.committed |= offsets

    def end(self, partition: str, *, is_committed: bool) -> int:
        """The high watermark, or the last stable offset."""
        entries = self.log(partition).entries
        if is_committed:
            for offset, entry in enumerate(entries):
                if self.transactions.get(entry.transaction or "") == "open":
                    return offset
        return len(entries)

    def read(
        self, partition: str, position: int, records_max: int, *, is_committed: bool
    ) -> Iterator[tuple[int, Entry]]:
        """Yield what a consumer at `position` is given."""
        entries = self.log(partition).entries
        for offset in range(position, self.end(partition, is_committed=is_committed)):
            entry = entries[offset]
            is_hidden = is_committed and self.transactions.get(entry.transaction or "") == "aborted"
            if entry.value is None or entry.is_removed or is_hidden:
                continue
            yield offset, entry
            records_max -= 1
            if records_max == 0:
                return

    def compact(self, partition: str, removable: set[int]) -> None:
        """Remove the offsets of `removable` behind which their key has a later record."""
        last: dict[int, int] = {}
        entries = self.log(partition).entries
        for offset, entry in enumerate(entries):
            if entry.value is not None:
                last[entry.key] = offset
        for offset in removable:
            if entries[offset].value is not None and last[entries[offset].key] != offset:
                entries[offset].is_removed = True

    def expire(self, partition: str, before_ms: int) -> None:
        for entry in self.log(partition).entries:
            if entry.timestamp >= before_ms:
                break
            entry.is_removed = True
