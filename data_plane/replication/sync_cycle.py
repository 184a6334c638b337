"""Group commit: one sync cycle at a time over everything that is dirty (durability.md 2)."""

from collections.abc import Callable, Sequence
from typing import Protocol

from data_plane.log.failures import LogFailure
from data_plane.log.files import Files
from data_plane.log.partition_log import PartitionLog
from data_plane.log.sync import FDATASYNC_FILES_MAX, SyncBatch, SyncTicket
from data_plane.replication.executor import Executor


class Replica(Protocol):
    """A replica whose log is to be synced, whatever its role."""

    @property
    def log(self) -> PartitionLog: ...

    @property
    def is_gone(self) -> bool: ...

    def complete_sync(self, ticket: SyncTicket) -> None: ...


OnFailure = Callable[[BaseException], None]
Tickets = Sequence[tuple[Replica, SyncTicket]]


class SyncCycle:
    """A cycle starts whenever something is dirty and none is in flight.

    What becomes dirty meanwhile waits for the next one; that wait is the group commit.
    on_synced: called after each cycle that ended well, its partitions' watermarks moved.
    dirty, later: what the next cycle will sync, and what is put off until which Unix ms; to be read
    only.
    on_failure: called with the error of a failed sync, which is never retried; no further cycle
    starts, so nothing that was not synced is ever acknowledged.
    """

    def __init__(
        self,
        files: Files,
        executor: Executor,
        *,
        on_synced: Callable[[], None],
        on_failure: OnFailure,
    ) -> None:
        self._files = files
        self._executor = executor
        self._on_synced = on_synced
        self._on_failure = on_failure
        self.dirty: dict[Replica, None] = {}
        self.later: dict[Replica, int] = {}  # nobody waits for these
        self.next_due_ms: int | None = None  # when `mark_due` has work, at the earliest
        self._is_in_flight = False
        self._has_failed = False

    @property
    def is_idle(self) -> bool:
        """Everything that was marked is synced."""
        return not self.dirty and not self._is_in_flight

    def mark(self, partition: Replica) -> None:
        self.dirty[partition] = None

    def mark_later(self, partition: Replica, due_ms: int) -> None:
        """Have a partition whose commits do not wait for it synced by a time, not before."""
        if partition not in self.later:
            self.later[partition] = due_ms
            self.next_due_ms = min(due_ms, self.next_due_ms or due_ms)

    def mark_due(self, now_ms: int) -> None:
        """Mark what was put off until now."""
        if self.next_due_ms is None or self.next_due_ms > now_ms:
            return
        for partition in [one for one, due_ms in self.later.items() if due_ms <= now_ms]:
            del self.later[partition]
            self.dirty[partition] = None
        self.next_due_ms = min(self.later.values(), default=None)

    def start(self) -> None:
        """Begin a cycle if there is work and none is running."""
        if not self.dirty or self._is_in_flight or self._has_failed:
            return
        dirty, self.dirty = self.dirty, {}
        # Of many logs no files are held: there may be more than a process can have open.
        is_whole = len(dirty) > FDATASYNC_FILES_MAX and self._files.has_syncfs
        work = [
            (one, one.log.sync_ticket(holds_files=not is_whole)) for one in dirty if not one.is_gone
        ]
        self._is_in_flight = True
        batch = SyncBatch(self._files, [ticket for _, ticket in work], is_whole=is_whole)
        self._executor.submit(batch.jobs if work else [], lambda error: self._done(work, error))

    def _done(self, work: Tickets, error: BaseException | None) -> None:
        self._is_in_flight = False
        if error is not None:
            self._has_failed = True
            self._on_failure(error)
            return
        try:
            for partition, ticket in work:
                partition.complete_sync(ticket)
        except LogFailure as failure:
            self._on_failure(failure)
            raise
        self.start()
        self._on_synced()
