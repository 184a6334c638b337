"""Who has been heard of lately: soft state of the active controller (durability.md 5).

A new active controller starts every session anew, so that no broker is fenced for what its
predecessor did not hear; but its predecessor's own begins when that was heard last, as a leader of
the quorum: to wait for a whole session behind an election would make its partitions wait twice.
Fencing early is always safe; only availability is at stake.

Wishes to stop are gathered for a moment. Who is last of all would else be left alone in every ISR:
if all that serve wish to, nobody is taken out of anything (docs/decisions/0048).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from data_plane.metadata.image import MetadataImage

SESSION_MS = 6_000
START_MS_MIN = 1_500  # to be heard of by a new controller: three heartbeats
# How long after the last wish to stop another one may come that is of the same cause. Every single
# stop takes so much longer, and serves on meanwhile; a service manager needs a few milliseconds.
GATHERING_MS = 200
NOBODY: Final[Mapping[int, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BrokerSession:
    """One incarnation: when it was heard of last, and up to which offset it has replayed.

    shutdown_offset: what the others must have replayed before it may stop; None: it does not wish
    to. is_lost: its connection was reset and nobody listens there any more. wished_ms: when it was
    heard first that it wishes to stop. is_let_go: it was told to, with all others.
    """

    broker_epoch: int
    heard_ms: int
    metadata_offset: int = -1
    shutdown_offset: int | None = None
    is_lost: bool = False
    wished_ms: int | None = None
    is_let_go: bool = False


class BrokerSessions:
    """Broker id -> session. Fenced brokers may have one as well, which then fences nobody."""

    def __init__(self, session_ms: int = SESSION_MS) -> None:
        self._session_ms = session_ms
        self._sessions: dict[int, BrokerSession] = {}
        self._all_stop = False

    def begin(self, image: MetadataImage, now_ms: int, heard: Mapping[int, int] = NOBODY) -> None:
        """Become active: whoever is not fenced has a whole session to be heard of.

        heard: by broker id, for whom it has begun already, as far as three heartbeats still fit.
        """
        self._all_stop = False
        latest_ms = now_ms - max(self._session_ms - START_MS_MIN, 0)
        self._sessions = {
            each.broker_id: BrokerSession(
                each.broker_epoch, max(heard.get(each.broker_id, now_ms), latest_ms)
            )
            for each in image.brokers.values()
            if not each.is_fenced
        }

    def touch(self, broker_id: int, broker_epoch: int, metadata_offset: int, now_ms: int) -> None:
        """A heartbeat of the registered incarnation has come."""
        known = self._sessions.get(broker_id)
        if known is None or known.broker_epoch != broker_epoch:
            known = BrokerSession(broker_epoch, now_ms)
        self._sessions[broker_id] = replace(
            known, heard_ms=now_ms, metadata_offset=metadata_offset, is_lost=False
        )

    def lose(self, broker_id: int) -> None:
        """Its connection was reset and refused twice in 300 ms: it is gone, not silent."""
        known = self._sessions.get(broker_id)
        if known is not None:
            self._sessions[broker_id] = replace(known, is_lost=True)

    def wait_for_shutdown(self, broker_id: int, offset: int) -> None:
        """The broker may stop once all others have replayed `offset`."""
        self._sessions[broker_id] = replace(self._sessions[broker_id], shutdown_offset=offset)

    def wish(self, broker_id: int, now_ms: int) -> None:
        """The broker, of whom was just heard, wishes to stop."""
        known = self._sessions[broker_id]
        if known.wished_ms is None:
            self._sessions[broker_id] = replace(known, wished_ms=now_ms)

    def all_stop(self, image: MetadataImage) -> bool:
        """Say whether all that serve wish to stop; once they do so it is, as none comes back."""
        wishes = self._wishes(image)
        self._all_stop |= bool(wishes) and None not in wishes
        return self._all_stop

    @property
    def do_all_stop(self) -> bool:
        """As `all_stop` said last."""
        return self._all_stop

    def is_gathering(self, image: MetadataImage, now_ms: int) -> bool:
        """The last wish is so young that it may not be the last one."""
        made = [each for each in self._wishes(image) if each is not None]
        return now_ms < max(made, default=now_ms - GATHERING_MS) + GATHERING_MS

    def _wishes(self, image: MetadataImage) -> list[int | None]:
        """When each wished to stop who serves and is not on its way out yet."""
        sessions = ((each, self._sessions.get(each)) for each in image.active_brokers())
        return [
            known.wished_ms if known is not None and self._is_of(image, each, known) else None
            for each, known in sessions
        ]

    def let_go(self, image: MetadataImage, broker_id: int, *, own_id: int, now_ms: int) -> bool:
        """Say whether a broker may stop now that all do; the controller's own is the last one.

        The others hear it from the controller: it waits until they have, or are gone.
        """
        if broker_id == own_id:
            others = (each.broker_id for each in image.brokers.values() if not each.is_fenced)
            if not all(self._is_gone(each, now_ms) for each in others if each != own_id):
                return False
        self._sessions[broker_id] = replace(self._sessions[broker_id], is_let_go=True)
        return True

    def _is_gone(self, broker_id: int, now_ms: int) -> bool:
        known = self._sessions.get(broker_id)
        return known is None or known.is_let_go or self._is_over(known, now_ms)

    def of(self, broker_id: int) -> BrokerSession | None:
        return self._sessions.get(broker_id)

    def is_alive(self, broker_id: int, now_ms: int) -> bool:
        """Has anything been heard of it within its session?"""
        session = self._sessions.get(broker_id)
        return session is not None and not self._is_over(session, now_ms)

    def unheard(self, image: MetadataImage) -> set[int]:
        """Whom nobody has heard of since this controller is active: they may be dead or not."""
        sessions = ((each, self._sessions.get(each)) for each in image.active_brokers())
        return {each for each, known in sessions if known is None or known.metadata_offset < 0}

    def expired(self, image: MetadataImage, now_ms: int) -> list[int]:
        """The brokers of `image` that are to be fenced now."""
        return [
            each.broker_id
            for each in image.brokers.values()
            if not each.is_fenced and not self.is_alive(each.broker_id, now_ms)
        ]

    @property
    def next_due_ms(self) -> int | None:
        """When a session ends, 0 for at once; None while there is none."""
        ends = (
            0 if each.is_lost else each.heard_ms + self._session_ms
            for each in self._sessions.values()
        )
        return min(ends, default=None)

    def drop_fenced(self, image: MetadataImage) -> None:
        """Sessions of brokers that are fenced or gone end nothing."""
        for broker_id in list(self._sessions):
            known = image.brokers.get(broker_id)
            if known is None or known.is_fenced:
                del self._sessions[broker_id]

    def _is_of(self, image: MetadataImage, broker_id: int, known: BrokerSession) -> bool:
        """The session is of the incarnation that is registered, not of one before it."""
        return known.broker_epoch == image.brokers[broker_id].broker_epoch

    def _is_over(self, session: BrokerSession, now_ms: int) -> bool:
        return session.is_lost or now_ms >= session.heard_ms + self._session_ms
