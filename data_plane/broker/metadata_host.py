"""Drives the controller: append, persist off the loop, send, apply, answer when committed."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from data_plane.broker.controller_line import ControllerLine
from data_plane.broker.metadata_port import OnImage
from data_plane.broker.outcomes import Outcomes
from data_plane.broker.snapshot_cycle import SnapshotCycle
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.duties import WATCH_INTERVAL_MS
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import NotController
from data_plane.protocol.messages.broker_heartbeat import BrokerHeartbeatRequestTopic
from data_plane.raft.entries import Ready
from data_plane.raft.failures import DiskFull
from data_plane.raft.messages import Answer, Ask, Message
from data_plane.replication.executor import Executor
from data_plane.replication.waiting import Parked

ENTRIES_MAX = 250  # applied at a time, a batch at least: about 3 ms here, and 5 ms in the broker

R = TypeVar("R")
Send = Callable[[Message], None]


def unheard(*_: object) -> None:
    """Until somebody is attached."""


class MetadataHost:
    """One persist is in flight at a time; decisions made meanwhile share the next one.

    on_failure: the disk failed under the quorum; nothing is retried (durability.md 2).
    send: hands a message to the network, which may lose it; None: this is a quorum of one.
    """

    def __init__(
        self,
        controller: Controller,
        executor: Executor,
        *,
        on_failure: Callable[[BaseException], None],
        log_bytes_max: int,
        send: Send | None = None,
        on_image: OnImage = unheard,
        on_committed: Callable[[], None] = unheard,
        on_more: Callable[[], None] | None = None,
    ) -> None:
        """on_more: `pump` is to be called again soon, it has left some work for then; None: it does
        everything at once.
        """
        self._on_more = on_more
        self._snapshots = SnapshotCycle(controller, executor, log_bytes_max)
        self.controller = controller
        self.send = send
        self.line = ControllerLine(controller.node, self._send)
        self._executor = executor
        self._on_image = on_image
        self._on_committed = on_committed
        self._tell_failure = on_failure
        self._is_over = False  # failed or closed: nothing is persisted, sent or applied any more
        self._outcomes = Outcomes()
        self._has_stepped_down = False
        self._has_moved = True  # The controller was asked or told something since the last pump.
        self._is_persisting = False
        self._lost_leader: int | None = None  # a broker id; until it is heard of again
        self._held: Ready | None = None  # a leader's snapshot that waits for an own one's files
        self._now_ms = 0
        self._duties_due_ms = 0

    def attach(self, on_image: OnImage, on_committed: Callable[[], None]) -> None:
        """As Metadata.attach: until then nobody is told."""
        self._on_image, self._on_committed = on_image, on_committed

    @property
    def image(self) -> MetadataImage:
        return self.controller.committed

    @property
    def is_unheard(self) -> bool:
        """The controller is on this broker's own loop."""
        return False

    @property
    def is_idle(self) -> bool:
        return self.controller.committed is self.controller.image

    @property
    def controller_id(self) -> int | None:
        """Broker id of the active controller, as far as this broker knows; None for one lost."""
        found = self.controller.leader_id
        return None if found == self._lost_leader else found

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """As Metadata.decide; the choice is made at once."""
        if not self.controller.is_active:
            raise NotController
        decision = choose(self.controller)
        offset = self.controller.append(decision.records)
        if not decision.records and not self.controller.node.has_lease(self._now_ms):
            offset = self.controller.confirm()  # Somebody else may lead by now, and know more.
        self._has_moved = True
        if self.controller.committed.offset >= offset:
            return decision.response
        term = self.controller.image.term
        return self._outcomes.add(offset, term, decision.response, now_ms=self._now_ms)

    def look_at_clock(self, now_ms: int) -> None:
        """Before a decision, where the clock may have gone on since the last tick."""
        self._now_ms = now_ms

    # --- what drives it ------------------------------------------------------------------------

    def step(self, message: Message, now_ms: int) -> None:
        """A message came from another voter or observer; `pump` follows at the end of the turn."""
        self._now_ms, self._has_moved = now_ms, True
        if message.source.id == self._lost_leader:
            self._lost_leader = None
        if isinstance(message, Ask | Answer):
            self.line.step(message)
            return
        self.controller.node.step(message, now_ms)
        self.controller.forget_unless_leader()

    def tick(self, now_ms: int) -> None:
        """Do what is due by the clock; `pump` follows."""
        self._now_ms, self._has_moved = now_ms, True
        self.controller.node.tick(now_ms)
        self.line.tick(now_ms)
        self.controller.forget_unless_leader()
        self._outcomes.expire(now_ms)
        self._do_duties(now_ms)

    def _do_duties(self, now_ms: int) -> None:
        """What the active controller of a cluster decides unasked, each on what came before."""
        controller = self.controller
        if self.send is None or not controller.is_active:
            return
        if now_ms < self._duties_due_ms and not controller.is_urgent(now_ms):
            return
        self._duties_due_ms = now_ms + WATCH_INTERVAL_MS
        for decision in controller.due(now_ms):
            controller.append(decision.records)

    def lose(self, broker_id: int) -> None:
        """A broker's connection was reset and then refused: it is gone, not silent.

        The active controller fences it without waiting for its session. If it is the controller
        that is gone, nothing is sent to it any more, though its successor is elected only later.
        """
        self._has_moved = True
        if self.controller.is_active:
            self.controller.lose_broker(broker_id)
        elif broker_id == self.controller.leader_id:
            self._lost_leader = broker_id

    def hand_over(self, now_ms: int) -> bool:
        """Before a clean stop: let another voter lead; False if there is nothing to wait for."""
        self._has_moved = True
        return self.controller.node.transfer(now_ms)

    def close(self) -> None:
        """The process stops: what still comes is not carried out, and nobody is answered."""
        self._is_over = True

    @property
    def next_due_ms(self) -> int | None:
        """When `tick` has work again; None: a quorum of one waits for nothing."""
        if self.send is None:
            return None
        return 0 if self.controller.is_unfinished else self.controller.node.next_due_ms

    def pump(self) -> None:
        """Start what the controller has ready, if anything; at the end of each turn."""
        if self._has_moved:
            self._pump()

    def _pump(self) -> None:
        self._has_moved = False
        while not self._is_over and (ready := self._next_ready()) is not None:
            if ready.must_persist:
                if ready.snapshot is not None and self._snapshots.is_busy:
                    self._held = ready
                else:
                    self._persist(ready)
            else:
                self._send_all(ready)
                self._advance(ready)
                if self._on_more is not None and self.controller.node.has_unapplied:
                    self._has_moved = True
                    self._on_more()
                    return
        if not self._is_persisting and self._held is None and not self._is_over:
            self._snapshots.start(self._snapshot_done)

    def _next_ready(self) -> Ready | None:
        """What needs no disk is never kept waiting; a cut keeps everything else waiting."""
        if not self._is_persisting and self._snapshots.may_cut:
            self._is_persisting = True  # The log is written anew: nothing may be appended to it.
            self._snapshots.cut(self._cut_done)
        if not self._is_persisting and self._held is not None and not self._snapshots.is_busy:
            ready, self._held = self._held, None
            return ready
        return self.controller.ready(
            may_persist=not self._is_persisting,
            entries_max=None if self._on_more is None else ENTRIES_MAX,
        )

    def _send_all(self, ready: Ready) -> None:
        for message in ready.messages:
            filled = self.controller.filled(message)
            if filled is not None:
                self._send(filled)

    def _send(self, message: Message) -> None:
        if self.send is not None:
            self.send(message)

    def tell_ends(self, ends: Sequence[BrokerHeartbeatRequestTopic]) -> None:
        """A broker alone has nobody to elect among."""

    def retry(self) -> None:
        """Stand for election again after a full disk; now and then, since each try writes."""
        if self._has_stepped_down:
            self._has_stepped_down = False
            self._has_moved = True
            self.controller.resume()

    def _on_failure(self, error: BaseException) -> None:
        """Nothing is written, sent or answered after this."""
        self._is_over = True
        self._tell_failure(error)

    def _snapshot_done(self, error: BaseException | None) -> None:
        if error is not None:
            self._on_failure(error)
            return
        self._pump()
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
            self._has_moved = True
            if self.send is None:
                self._outcomes.lost()
            self._has_stepped_down = True
            return
        if error is not None:
            self._on_failure(error)
            return
        self._advance(ready)
        self._pump()  # What this persist committed is applied at once.
        self._on_committed()

    def _advance(self, ready: Ready) -> None:
        before = self.controller.committed
        if self.controller.advance(ready):
            self._on_image(before, self.controller.committed)
        self._outcomes.committed(ready.committed)
        if ready.snapshot is not None:
            self._outcomes.replaced(ready.snapshot.last_offset)
