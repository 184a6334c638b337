"""A voter or observer of the metadata quorum: no clock, no disk, no network (a push Raft).

The driver hands in what arrives (`step`) and how late it is (`tick`), takes `ready()`, persists
what it says, sends and applies what it says, and calls `advance` (style.md example 7). At most one
Ready that persists is out at a time; others come meanwhile, so that no heartbeat waits for a sync.

Source: the Raft paper and thesis; PreVote and check-quorum as KIP-996 has them. What is ours:
a batch is the unit of log matching; entries leave a leader while its own sync is under way, and two
other voters may commit them before it (thesis 10.2.1); a follower answers at once with what it has
synced, and again after each sync.
"""

from collections.abc import Sequence

from data_plane.raft.entries import Ready
from data_plane.raft.following import BrokenPromise
from data_plane.raft.leading import Leading
from data_plane.raft.memory_log import Mark
from data_plane.raft.messages import (
    SEEDS,
    Announce,
    Append,
    AppendReply,
    LeaderHint,
    Message,
    SnapshotChunk,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from data_plane.raft.state import Role
from data_plane.raft.voters import ChangeRefused, Voter, VoterKey, VoterSet, encode_voters

__all__ = ["BrokenPromise", "NotLeader", "RaftNode", "Role"]

TAIL_BYTES_MAX = 8 * 1024 * 1024  # kept in memory behind a snapshot for those who lag


class NotLeader(Exception):
    """This voter does not lead, or its term's first entry is not committed yet; ask again."""


class RaftNode(Leading):
    """One voter or observer; what it is made of is in state.py, what it does in the others."""

    # --- what leaders do -----------------------------------------------------------------------

    def propose(self, entries: Sequence[bytes]) -> int:
        """Append entries as one batch; return the last one's offset, which is not committed yet.

        Raises NotLeader. A proposal promises nothing until `committed_offset` has reached it.
        """
        if not self.may_propose:
            raise NotLeader
        return self._append(tuple(entries))

    def add_voter(self, voter: Voter) -> int:
        """Begin to let an observer vote; returns the offset to wait for.

        Raises NotLeader or ChangeRefused.
        """
        return self._change(self.voters.with_voter(voter))

    def remove_voter(self, key: VoterKey) -> int:
        """As `add_voter`. A leader that removes itself steps down once that is committed."""
        return self._change(self.voters.without(key))

    def _change(self, voters: VoterSet) -> int:
        """One at a time, so that any two majorities meet (Raft thesis 4.1)."""
        if self._voters.changed_at > self.committed_offset:
            raise ChangeRefused("another change of the voters is not committed yet")
        return self.propose([encode_voters(voters)])

    def transfer(self, now_ms: int) -> bool:
        """Hand leadership to the voter that has most of the log; False if there is none.

        Nothing can be proposed meanwhile; after `election_ms_min` without success it can again.
        """
        if self._leads is None:
            return False
        others = [key for key in self.voters.keys if key != self.me]
        successor = self._leads.best_successor(others, now_ms, self.timing)
        if successor is None:
            return False
        self._leads.successor = successor
        self._leads.successor_until_ms = now_ms + self.timing.election_ms_min
        self._leads.is_handed_over = False
        self._push_out(self._leads.peers[successor])
        return True

    # --- the driver ----------------------------------------------------------------------------

    def ready(self, *, may_persist: bool = True, entries_max: int | None = None) -> Ready | None:
        """Return what is to be done now, or None. What needs no disk comes first.

        may_persist: False while the driver's disk is busy with something else.
        entries_max: about so many are given out to be applied, in whole batches; None: all.
        """
        may_speak = self._hard_state == self._stored_hard_state
        if self._leads is not None and may_speak:
            self._fill_appends()
        committed = self._take_committed(entries_max)
        messages: Sequence[Message] = ()
        if self._outbox and may_speak:
            messages, self._outbox = self._outbox, []
        if messages or committed:
            return Ready(messages=messages, committed=committed)
        if self._in_flight is not None or not may_persist:
            return None
        if not may_speak or self._to_persist:
            hard_state = None if may_speak else self._hard_state
            self._in_flight = Ready(hard_state, tuple(self._to_persist))
            self._to_persist = []
        elif self._to_install is not None:
            self._in_flight = Ready(snapshot=self._to_install)
        return self._in_flight

    def advance(self, ready: Ready) -> None:
        """Take note that `ready` has been carried out; what it persists is synced."""
        if not ready.must_persist:
            return
        assert ready is self._in_flight, "advance answers the one Ready that persists"
        self._in_flight = None
        if ready.hard_state is not None:
            self._stored_hard_state = ready.hard_state
        for batch in ready.batches:
            if self.log.holds(batch):  # Else a later leader replaced it meanwhile.
                self._stable_offset = max(self._stable_offset, batch.last_offset)
        if ready.snapshot is not None:
            self._installed(ready.snapshot)
        if self._leads is not None:
            self._commit_by_majority()
        elif ready.batches or ready.snapshot is not None:
            self._acknowledge()

    def compact(self, offset: int, term: int, size_bytes: int) -> None:
        """A snapshot up to there is published, and the log on disk was cut."""
        self.snapshot, self.snapshot_bytes = Mark(offset, term), size_bytes
        wanted = self.log.end_offset
        if self._leads is not None:
            wanted = self._leads.wanted_from(self._now_ms, self.timing)
        self.log.drop_through(offset, wanted_from=wanted, bytes_max=TAIL_BYTES_MAX)
        self._voters.forget_before(min(offset, self.committed_offset))

    def resign(self) -> None:
        """Stop leading and forget what was never persisted: a voter that cannot write steps down.

        The driver must have cut the log back to what it held before the failed write. No election
        is begun before `resume`.
        """
        self._is_disk_full = True
        self._to_persist = []
        self._in_flight = self._to_install = None
        self._cut(self._stable_offset + 1)
        self._hard_state = self._stored_hard_state
        self._outbox = []
        self._leader = None
        self._stop_leading()

    def resume(self) -> None:
        """There is room again."""
        self._is_disk_full = False
        if len(self.voters) == 1 and self.is_voter and self._leads is None:
            self.campaign()

    # --- time and messages ---------------------------------------------------------------------

    def tick(self, now_ms: int) -> None:
        """now_ms: of a clock that only moves on; a late tick does what is due, once."""
        self._note_time(now_ms)
        if self._leads is not None:
            self._tick_leader(self._leads)
        elif not self.is_voter:
            self._tick_observer()
        elif self._is_election_due and not self._is_disk_full:
            if len(self.voters) == 1:
                self.campaign()
            else:
                self._ask_beforehand()

    @property
    def next_due_ms(self) -> int:
        """When `tick` has something to do; 0: at once."""
        if self._election_due_ms is None:
            return 0
        if self._leads is not None:
            return self._leads.heartbeat_due_ms
        return self._election_due_ms if self.is_voter else self._announce_due_ms

    def _tick_observer(self) -> None:
        if self._now_ms < self._announce_due_ms:
            return
        self._announce_due_ms = self._now_ms + self.timing.announce_ms
        if self._is_leader_fresh(self.timing.election_ms_min):
            return
        self._leader = None
        self._announce()

    def step(self, message: Message, now_ms: int) -> None:
        """Take in one message; what is not for this node of this cluster is refused."""
        self._note_time(now_ms)
        if message.cluster_id != self.cluster_id or message.target not in (self.me, SEEDS):
            self.refused_count += 1
            return
        if isinstance(message, VoteRequest):
            self._on_vote_request(message)
        elif isinstance(message, Announce):
            self._on_announce(message)
        elif isinstance(message, LeaderHint):
            if not self.is_voter and message.leader != self.me:
                self._announce_to(message.leader)
        elif message.term < self.term:
            if isinstance(message, Append | SnapshotChunk):
                self._reply_append(message, is_match=False)  # So that it hears of the new term.
        else:
            self._step_current(message)

    def _step_current(self, message: Message) -> None:
        is_granted_beforehand = isinstance(message, VoteReply) and (
            message.is_pre and message.is_granted
        )
        if message.term > self.term and not is_granted_beforehand:
            self._become_follower(message.term, None)
        if isinstance(message, VoteReply):
            self._on_vote_reply(message)
        elif isinstance(message, Append | SnapshotChunk):
            self._hear_leader(message)
            if isinstance(message, Append):
                self._on_append(message)
            else:
                self._on_chunk(message)
        elif isinstance(message, TimeoutNow):
            if self.is_voter and not self._is_disk_full and message.term == self.term:
                self.campaign(is_transfer=True)
        elif self._leads is not None and (peer := self._leads.peers.get(message.source)):
            if isinstance(message, AppendReply):
                self._on_append_reply(peer, message)
            elif isinstance(message, SnapshotReply):
                self._on_snapshot_reply(peer, message)
