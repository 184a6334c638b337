"""Drives the controller: append, persist off the loop, apply, answer when committed."""

from collections.abc import Callable
from typing import TypeVar

from data_plane.broker.snapshot_cycle import SnapshotCycle
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import NotController
from data_plane.raft.entries import Ready
from data_plane.raft.failures import DiskFull
from data_plane.replication.executor import Executor
from data_plane.replication.waiting import OffsetWaiters, Parked

R = TypeVar("R")


class MetadataHost:
    """One persist is in flight at a time; decisions made meanwhile share the next one.

    on_image: told of each newly committed image as (before, after), before any answer leaves.
    on_failure: the disk failed under the quorum; nothing is retried (durability.md 2).
    """

    def __init__(
        self,
        controller: Controller,
        executor: Executor,
        *,
        on_image: Callable[[MetadataImage, MetadataImage], None],
        on_committed: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        log_bytes_max: int,
    ) -> None:
        self._snapshots = SnapshotCycle(controller, executor, log_bytes_max)
        self.controller = controller
        self._executor = executor
        self._on_image = on_image
        self._on_committed = on_committed
        self._on_failure = on_failure
        self._waiting = OffsetWaiters()
        self._has_stepped_down = False
        self._is_persisting = False

    @property
    def controller_id(self) -> int | None:
        """Broker id of the active controller, as far as this broker knows."""
        return self.controller.leader_id

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """Decide beside the controller's own image; the response leaves once that is committed.

        choose: reads `controller.image`, raises KafkaError for a refusal of all that was asked.
        It may run later and on the quorum's thread, so it reads nothing of the broker that changes.
        Raises NotController while the disk is full or the voter does not lead.
        """
        if not self.controller.is_active:
            raise NotController
        return self._propose(choose(self.controller))

    def _propose(self, decision: Decision[R]) -> R | Parked:
        offset = self.controller.append(decision.records)
        response = decision.response
        if self.controller.committed.offset >= offset:
            return response
        parked = Parked()
        self._waiting.add(
            offset, lambda is_kept: _answer(parked, response if is_kept else NotController())
        )
        return parked

    def pump(self) -> None:
        """Start what the controller has ready; at the end of each turn, and after each persist."""
        if self._is_persisting:
            return
        if self._snapshots.may_cut:
            self._is_persisting = True  # The log is written anew: nothing may be appended to it.
            self._snapshots.cut(self._cut_done)
            return
        while (ready := self.controller.ready()) is not None:
            if ready.must_persist:
                self._persist(ready)
                return
            self._advance(ready)
        self._snapshots.start(self._snapshot_done)

    def retry(self) -> None:
        """Stand for election again after a full disk; now and then, since each try writes."""
        if self._has_stepped_down:
            self._has_stepped_down = False
            self.controller.resume()

    def _snapshot_done(self, error: BaseException | None) -> None:
        if error is not None:
            self._on_failure(error)
            return
        self.pump()
        self._on_committed()

    def _cut_done(self, error: BaseException | None) -> None:
        self._is_persisting = False
        self._snapshot_done(error)

    def _persist(self, ready: Ready) -> None:
        self._is_persisting = True
        self._executor.submit(
            [lambda: self.controller.disk.persist(ready)], lambda error: self._done(ready, error)
        )

    def _done(self, ready: Ready, error: BaseException | None) -> None:
        self._is_persisting = False
        if isinstance(error, DiskFull):
            self.controller.step_down()
            self._waiting.fail()
            self._has_stepped_down = True
            return
        if error is not None:
            self._on_failure(error)
            return
        self._advance(ready)
        self.pump()  # What this persist committed is applied at once.
        self._on_committed()

    def _advance(self, ready: Ready) -> None:
        before = self.controller.committed
        if self.controller.advance(ready):
            after = self.controller.committed
            self._on_image(before, after)
            self._waiting.advance(after.offset)


def _answer(parked: Parked, response: object) -> None:
    parked.complete(response)
