"""What the active controller does unasked: fence the silent, and lead where replicas prefer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from data_plane.metadata.brokers import decide_fence, decide_leave
from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_balance
from data_plane.metadata.image import INTERNAL_TOPICS, MetadataImage
from data_plane.metadata.placement import internal_replication_factor
from data_plane.metadata.reassignments import decide_raise_replicas

if TYPE_CHECKING:
    from data_plane.metadata.controller import Controller

BALANCE_INTERVAL_MS = 20_000
REPLICAS_INTERVAL_MS = 5_000
WATCH_INTERVAL_MS = 500  # A session is over at most that much later than it should be.


class Duties:
    """Asked now and then; each decision is to be appended before the next one is drawn."""

    def __init__(self) -> None:
        self._balance_due_ms = 0
        self._replicas_due_ms = 0
        self.is_unfinished = False  # There is more to decide at once.
        self._settled = MetadataImage()  # No fenced broker is in an ISR there.

    def due(self, controller: "Controller", now_ms: int) -> Iterator[Decision[None]]:
        hearing = controller.hearing(now_ms)
        expired = hearing.sessions.expired(controller.image, now_ms)
        if expired:
            self.is_unfinished = True
            yield decide_fence(
                controller.scope, expired, hearing.sessions.unheard(controller.image)
            )
        else:
            yield from self._leave(controller, hearing.sessions.unheard(controller.image))
        hearing.sessions.drop_fenced(controller.image)
        hearing.ends.forget_led(controller.image)
        if now_ms >= self._replicas_due_ms:
            self._replicas_due_ms = now_ms + REPLICAS_INTERVAL_MS
            yield from self._raise_internal(controller)
        if now_ms >= self._balance_due_ms:
            self._balance_due_ms = now_ms + BALANCE_INTERVAL_MS
            yield decide_balance(controller.scope)

    def _leave(self, controller: "Controller", unheard: set[int]) -> Iterator[Decision[None]]:
        """One slice of what fenced brokers are in sync of, whoever has fenced them."""
        image, known = controller.image, self._settled
        self.is_unfinished = False
        if image.topics is known.topics and image.brokers is known.brokers:
            return
        decision = decide_leave(controller.scope, unheard)
        if decision.records:
            self.is_unfinished = True
            yield decision
        elif not unheard:
            self._settled = image

    def _raise_internal(self, controller: "Controller") -> Iterator[Decision[None]]:
        """A larger plan has more brokers: coordinators' topics get more replicas (durability.md 9).

        Users' topics are moved by whoever wants that, through AlterPartitionReassignments.
        """
        wanted = internal_replication_factor(controller.image)
        for name in sorted(INTERNAL_TOPICS):
            topic = controller.image.topic(name)
            if topic is not None and len(controller.image.active_brokers()) >= wanted:
                decision = decide_raise_replicas(controller.scope, topic, wanted)
                if decision.records:
                    yield decision
