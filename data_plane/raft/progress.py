"""What a leader knows of one other voter or observer, and what it has on the way to it."""

from collections import deque
from dataclasses import dataclass, field

from data_plane.raft.voters import VoterKey

INFLIGHT_BYTES_MAX = 1024 * 1024  # appends that were sent and not answered, per peer


@dataclass(slots=True)
class Transfer:
    """A snapshot on its way: `position` is the next byte the peer wants."""

    last_offset: int
    last_term: int
    size_bytes: int
    position: int = 0
    sent_ms: int = 0


@dataclass(slots=True)
class Progress:
    """next_offset: of the next batch to send. match_offset: last one the peer has on disk.

    A peer is probed, by heartbeats alone, until it is known where its log agrees with ours; then
    batches are sent without waiting for answers.
    """

    key: VoterKey
    next_offset: int
    match_offset: int = -1
    is_probing: bool = True
    transfer: Transfer | None = None
    heard_ms: int = 0  # when the newest request it answered was sent, or we began to look at it
    answered_ms: int | None = None  # the same, None before its first answer
    caught_up_ms: int = 0  # when it last had everything that we had then
    told_commit: int | None = None  # the committed offset it was last told; None: nothing yet
    address: str = ""
    _end_when_heard: int = 0
    _inflight: deque[tuple[int, int]] = field(default_factory=deque)
    _inflight_bytes: int = 0

    @property
    def has_room(self) -> bool:
        return not self.is_probing and self._inflight_bytes < INFLIGHT_BYTES_MAX

    def sent(self, last_offset: int, size_bytes: int) -> None:
        self.next_offset = last_offset + 1
        self._inflight.append((last_offset, size_bytes))
        self._inflight_bytes += size_bytes

    def heard(self, sent_ms: int, match_offset: int, end_offset: int) -> None:
        """An answer came: to what was sent at `sent_ms`, while our log ended at `end_offset`."""
        if match_offset + 1 >= end_offset:
            self.caught_up_ms = max(self.caught_up_ms, sent_ms)
        elif match_offset + 1 >= self._end_when_heard:
            self.caught_up_ms = max(self.caught_up_ms, self.heard_ms)
        if sent_ms >= self.heard_ms:
            self.heard_ms = self.answered_ms = sent_ms
            self._end_when_heard = end_offset

    def acknowledge(self, match_offset: int, agreed_offset: int) -> None:
        """The peer agrees up to `agreed_offset` and has synced up to `match_offset`."""
        self.match_offset = max(self.match_offset, match_offset)
        self.next_offset = max(self.next_offset, self.match_offset + 1)
        self.is_probing = False
        agreed_offset = max(agreed_offset, match_offset)
        while self._inflight and self._inflight[0][0] <= agreed_offset:
            self._inflight_bytes -= self._inflight.popleft()[1]
        if self.transfer is not None and self.match_offset >= self.transfer.last_offset:
            self.transfer = None

    def probe_from(self, next_offset: int) -> None:
        """Something was lost on the way, or the logs differ: find out where they agree."""
        self.is_probing = True
        self.next_offset = max(next_offset, self.match_offset + 1)
        self._inflight.clear()
        self._inflight_bytes = 0
