"""Makes and deletes logs a few at a time, as the image asks; what is synced is the executor's.

A sync takes what the disk takes, beside other writers hundreds of milliseconds: it may not hold the
loop (durability.md 5). Few logs are made at once all the same, for they are used at once.
"""

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

from data_plane.log.creation import Creation
from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.replication.executor import Executor
from data_plane.replication.sync_cycle import OnFailure

MADE_PER_STEP: Final = 32  # beyond it the rest waits for the next step
DELETED_PER_STEP: Final = 8  # Each is renamed on the loop.
MADE_AT_ONCE_MAX: Final = 8


class LogMaker:
    """What cannot be made now, for lack of room, is made at its first use."""

    def __init__(self, log_dir: LogDir, executor: Executor, on_failure: OnFailure) -> None:
        self._log_dir, self._executor, self._on_failure = log_dir, executor, on_failure
        self._wanted: dict[PartitionKey, NewPartition] = {}
        self._doomed: dict[PartitionKey, None] = {}  # A start deletes what is left of these.
        self._creation: Creation | None = None
        self.has_deleted = False  # something since `Broker` looked; its files are to be unlinked

    @property
    def has_work(self) -> bool:
        """`step` would do something now."""
        return bool(self._doomed) or (bool(self._wanted) and self._creation is None)

    @property
    def is_busy(self) -> bool:
        return bool(self._doomed or self._wanted) or self._creation is not None

    def is_awaited(self, key: PartitionKey) -> bool:
        """It is about to be made; whoever can wait for it should."""
        is_under_way = self._creation is not None and key in self._creation.partitions
        return is_under_way or key in self._wanted

    def want(self, new: Iterable[NewPartition]) -> None:
        for one in new:
            self._wanted[one.key] = one
            self._doomed.pop(one.key, None)

    def doom(self, keys: Iterable[PartitionKey]) -> None:
        for key in keys:
            self._wanted.pop(key, None)
            self._doomed[key] = None

    def delete(self, key: PartitionKey) -> None:
        """Now. Raises LogFailure."""
        self._wanted.pop(key, None)
        self._log_dir.delete_partitions([key])
        self.has_deleted = True

    def step(self) -> None:
        """Make some, delete some. Raises LogFailure."""
        self.make_some()
        self.delete_some()

    def make_some(self) -> None:
        """Raises LogFailure."""
        if self._creation is not None:
            return
        some = dict(islice(self._wanted.items(), MADE_PER_STEP))
        for key in some:
            del self._wanted[key]
        with suppress(DiskFull):
            if len(some) <= MADE_AT_ONCE_MAX:
                self._log_dir.create_partitions(list(some.values()))
            else:
                self._creation = self._log_dir.begin_create(list(some.values()))
        if self._creation is not None:
            self._executor.submit([self._creation.make], self._made)

    def _made(self, error: BaseException | None) -> None:
        creation = self._creation
        if error is not None or creation is None:
            self._ended(error)
            return
        try:
            self._log_dir.note_created(creation)
        except DiskFull as full:
            self._ended(full)
        except LogFailure as failure:
            self._on_failure(failure)
            raise
        else:
            self._executor.submit([creation.sync_manifest], self._ended)

    def _ended(self, error: BaseException | None) -> None:
        creation, self._creation = self._creation, None
        if error is not None and not isinstance(error, DiskFull):
            self._on_failure(error)
            return
        if creation is not None:
            self._log_dir.end_create(creation, is_made=error is None)
            self.has_deleted |= bool(creation.cancelled)

    def delete_some(self) -> None:
        """Raises LogFailure."""
        some = list(islice(self._doomed, DELETED_PER_STEP))
        for key in some:
            del self._doomed[key]
        if some:
            self._log_dir.delete_partitions(some)
            self.has_deleted = True
