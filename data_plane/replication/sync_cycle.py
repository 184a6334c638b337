"""Group commit: one sync cycle at a time over everything that is dirty (durability.md 2)."""

from collections.abc import Callable, Sequence
from typing import Protocol

from data_plane.log.partition_log import SyncTicket
from data_plane.replication.partition import Partition

Done = Callable[[BaseException | None], None]


class SyncExecutor(Protocol):
    """Where syncs run: threads at the edge, in place in tests and simulation."""

    def submit(self, tickets: Sequence[SyncTicket], done: Done) -> None:
        """Run every ticket, then call `done` on the loop, with the first failure if there was one.

        `done` may be called before `submit` returns.
        """


class SyncCycle:
    """A cycle starts whenever something is dirty and none is in flight.

    What becomes dirty meanwhile waits for the next one; that wait is the group commit.
    on_failure: called with the error of a failed sync, which is never retried; no further cycle
    starts, so nothing that was not synced is ever acknowledged.
    """

    def __init__(
        self, executor: SyncExecutor, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._executor = executor
        self._on_failure = on_failure
        self._dirty: dict[Partition, None] = {}
        self._is_in_flight = False
        self._has_failed = False

    @property
    def is_idle(self) -> bool:
        """Everything that was marked is synced."""
        return not self._dirty and not self._is_in_flight

    def mark(self, partition: Partition) -> None:
        self._dirty[partition] = None

    def start(self) -> None:
        """Begin a cycle if there is work and none is running."""
        while self._dirty and not self._is_in_flight and not self._has_failed:
            dirty, self._dirty = list(self._dirty), {}
            work = [(one, one.log.sync_ticket()) for one in dirty if not one.is_gone]
            self._is_in_flight = True
            self._executor.submit(
                [ticket for _, ticket in work], lambda error, work=work: self._done(work, error)
            )

    def _done(
        self, work: Sequence[tuple[Partition, SyncTicket]], error: BaseException | None
    ) -> None:
        self._is_in_flight = False
        if error is not None:
            self._has_failed = True
            self._on_failure(error)
            return
        for partition, ticket in work:
            partition.complete_sync(ticket)
