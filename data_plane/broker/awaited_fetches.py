"""Followers that have not fetched yet from where this broker has just begun to lead.

A follower has one fetch under way in each session. If it is parked here on other partitions, the
one that is new would wait for half a second until the follower can ask for it, and nothing could be
committed there meanwhile. So such a fetch is answered at once, and those that come before the
follower has heard of its new leader are parked for a moment only.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

AWAITED_MS_MAX: Final = 2_000  # who does not come by then is away
PARKED_MS_MAX: Final = 20

Key = tuple[UUID, int]  # topic id and partition


class AwaitedFetches:
    """By follower: the partitions whose first fetch is awaited, and until when."""

    def __init__(self) -> None:
        self._awaited: dict[int, dict[Key, int]] = {}
        self.has_begun = False  # since whoever wakes parked fetches has looked

    def begin(self, key: Key, replica_ids: Iterable[int], now_ms: int) -> None:
        """This broker leads a partition from now on; they follow."""
        for replica_id in replica_ids:
            self._awaited.setdefault(replica_id, {})[key] = now_ms + AWAITED_MS_MAX
            self.has_begun = True

    def came(self, replica_id: int, key: Key) -> None:
        """It has asked for the partition."""
        awaited = self._awaited.get(replica_id)
        if awaited is not None:
            awaited.pop(key, None)
            if not awaited:
                del self._awaited[replica_id]

    def end(self, key: Key) -> None:
        """Another broker leads."""
        for replica_id in list(self._awaited):
            self.came(replica_id, key)

    def waits_for(self, replica_id: int, now_ms: int) -> bool:
        """Whether its fetches are not to be parked for long."""
        awaited = self._awaited.get(replica_id)
        if awaited is None:
            return False
        if max(awaited.values()) <= now_ms:
            del self._awaited[replica_id]
            return False
        return True
