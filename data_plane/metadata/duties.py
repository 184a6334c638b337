"""What the active controller does unasked: fence the silent, and lead where replicas prefer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from data_plane.metadata.brokers import decide_fence
from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_balance

if TYPE_CHECKING:
    from data_plane.metadata.controller import Controller

BALANCE_INTERVAL_MS = 20_000
WATCH_INTERVAL_MS = 500  # A session is over at most that much later than it should be.


class Duties:
    """Asked now and then; each decision is to be appended before the next one is drawn."""

    def __init__(self) -> None:
        self._balance_due_ms = 0

    def due(self, controller: "Controller", now_ms: int) -> Iterator[Decision[None]]:
        hearing = controller.hearing(now_ms)
        expired = hearing.sessions.expired(controller.image, now_ms)
        if expired:
            yield decide_fence(controller.scope, expired)
        hearing.sessions.drop_fenced(controller.image)
        hearing.ends.forget_led(controller.image)
        if now_ms >= self._balance_due_ms:
            self._balance_due_ms = now_ms + BALANCE_INTERVAL_MS
            yield decide_balance(controller.scope)
