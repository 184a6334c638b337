"""What was found: counted by type, with the smallest witnesses of each kept."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

WITNESSES_MAX = 32


class Anomaly(NamedTuple):
    """One thing that must not be."""

    type: str
    rank: int  # an offset or a time; the smaller, the easier to read
    partition: str  # "" if it has none
    witness: dict[str, Any]


@dataclass(slots=True)
class Findings:
    """All anomalies of one type."""

    count: int = 0
    partitions: set[str] = field(default_factory=set)
    _worst_first: list[tuple[int, int, Anomaly]] = field(default_factory=list)  # a heap

    def add(self, anomaly: Anomaly) -> None:
        self.count += 1
        if anomaly.partition:
            self.partitions.add(anomaly.partition)
        entry = (-anomaly.rank, -self.count, anomaly)
        if len(self._worst_first) < WITNESSES_MAX:
            heapq.heappush(self._worst_first, entry)
        else:
            heapq.heappushpop(self._worst_first, entry)

    @property
    def witnesses(self) -> list[Anomaly]:
        """The smallest, smallest first."""
        return [entry[2] for entry in sorted(self._worst_first, reverse=True)]


def collect(anomalies: Iterable[Anomaly]) -> dict[str, Findings]:
    """Sort anomalies by type."""
    found: dict[str, Findings] = {}
    for anomaly in anomalies:
        found.setdefault(anomaly.type, Findings()).add(anomaly)
    return found
