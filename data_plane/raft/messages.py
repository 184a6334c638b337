"""What voters and observers say to each other; codec.py has the bytes.

Every message names its cluster, its sender and receiver with their directories: what was meant for
another is refused. Private protocol (a push Raft), after the Raft paper, its thesis and KIP-996.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from data_plane.raft.entries import EntryBatch
from data_plane.raft.voters import VoterKey

SEEDS: Final = VoterKey(-1)  # Receiver of an announcement to whoever listens at known addresses.


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """term: the sender's, or the one it asks for before an election."""

    cluster_id: str
    source: VoterKey
    target: VoterKey
    term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRequest(Message):
    """is_pre: would you vote for me (PreVote); nothing is remembered of the question.

    is_transfer: the leader asked for this election, so its lease is no reason to refuse.
    """

    is_pre: bool
    is_transfer: bool
    last_offset: int
    last_term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteReply(Message):
    """term: the one asked for if granted to a PreVote, else the sender's."""

    is_pre: bool
    is_granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Append(Message):
    """Batches that follow (prev_offset, prev_term); without any it is a heartbeat.

    commit: last offset that the leader knows committed. sent_ms: the leader's clock, echoed.
    """

    prev_offset: int
    prev_term: int
    commit: int
    sent_ms: int
    batches: Sequence[EntryBatch] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendReply(Message):
    """is_match: the sender had the entry that the batches follow.

    prev_offset: with a match, the last offset in common, perhaps not on disk yet; else the
    request's. match_offset: last offset in common and on disk; -1: none.
    hint_*: without a match, the sender's last entry that may be in common.
    """

    is_match: bool
    prev_offset: int
    match_offset: int
    hint_offset: int
    hint_term: int
    sent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotChunk(Message):
    """A part of the snapshot file up to (last_offset, last_term), `size_bytes` long as a whole.

    The node leaves `data` empty; the driver fills it in from the disk (`RaftDisk.fill`).
    """

    last_offset: int
    last_term: int
    size_bytes: int
    position: int
    sent_ms: int
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReply(Message):
    """position: the next byte that the sender wants of that snapshot."""

    last_offset: int
    position: int
    sent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutNow(Message):
    """Stand for election at once: the leader is about to stop (Raft thesis 3.10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce(Message):
    """An observer without a leader asks for the log, which it has up to `end_offset`."""

    end_offset: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderHint(Message):
    """The answer of who does not lead: ask this one."""

    leader: VoterKey
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Message):
    """A request to the active controller, of which raft knows nothing but the way."""

    request_id: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Message):
    """is_refused: the receiver is not the active controller, or cannot answer now."""

    request_id: int
    is_refused: bool
    body: bytes
