"""Partitions that this broker may lead no more without having been told.

A leader that the controller does not hear is fenced after a session's time, and another one leads.
Where a cut is between brokers only, its clients would stay with it as long as the cut lasts: writes
would wait for replicas that do not come, and readers would hear that there is nothing new. So once
a session's time has gone by without an answer of the controller, and its followers are silent too,
whoever writes, waits for records or asks a coordinator here is told to look elsewhere. What is
committed can be read on: where nobody else is left, that is all there is. Kafka's leaders go on.
"""

from collections.abc import Iterable
from typing import Protocol

from data_plane.replication.partition import Partition

SILENT_MS = 2_000  # A follower with nothing to copy asks again each half second.


class Coordination(Protocol):
    """What coordinators here must hear."""

    def leave(self, partition: Partition) -> None:
        """Their shard of it, if it is one, is not served."""

    def follow(self) -> None:
        """Shards that are led here are served."""


class Doubts:
    """Which partitions are in doubt. Times are Unix ms."""

    def __init__(self, coordinators: Coordination) -> None:
        self._coordinators = coordinators
        self._fetched_ms: dict[int, int] = {}  # by broker: when it last fetched anything
        self._partitions: dict[Partition, None] = {}

    def fetched(self, broker_id: int, now_ms: int) -> None:
        """A broker hears what this one says, or did until now."""
        self._fetched_ms[broker_id] = now_ms

    def look(self, led: Iterable[Partition], now_ms: int, *, is_unheard: bool) -> None:
        """led: what is open. is_unheard: the controller has not answered for a session's time."""
        if not is_unheard and not self._partitions:
            return
        lonely = [one for one in led if is_unheard and self._is_alone(one, now_ms)]
        before, self._partitions = self._partitions, dict.fromkeys(lonely)
        for partition in lonely:
            if partition not in before:
                self._coordinators.leave(partition)
                partition.begin_doubt()
        cleared = [one for one in before if one not in self._partitions]
        for partition in cleared:
            partition.is_in_doubt = False
        if cleared:
            self._coordinators.follow()

    def _is_alone(self, partition: Partition, now_ms: int) -> bool:
        """It has followers, and none of them has been heard lately."""
        heard = (self._fetched_ms.get(one, 0) for one in partition.followers)
        return bool(partition.followers) and max(heard) < now_ms - SILENT_MS
