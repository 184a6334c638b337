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
from enum import Enum
from random import Random
from typing import Any

from data_plane.raft.entries import NO_DIRECTORY, NO_OP, EntryBatch, HardState, Ready
from data_plane.raft.incoming import IncomingSnapshot
from data_plane.raft.leadership import Leadership
from data_plane.raft.memory_log import Mark, MemoryLog, size_bytes_of
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
from data_plane.raft.progress import Progress, Transfer
from data_plane.raft.snapshot import Snapshot
from data_plane.raft.timing import Timing
from data_plane.raft.voters import (
    ChangeRefused,
    Voter,
    VoterHistory,
    VoterKey,
    VoterSet,
    encode_voters,
    voters_in,
)

APPEND_BYTES_MAX = 256 * 1024  # of batches in one message, one batch at least
TAIL_BYTES_MAX = 8 * 1024 * 1024  # kept in memory behind a snapshot for those who lag


class NotLeader(Exception):
    """This voter does not lead, or its term's first entry is not committed yet; ask again."""


class BrokenPromise(Exception):
    """A peer or a disk forgot what it had promised; going on would lose what is committed."""


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"  # asks whether an election would be won
    CANDIDATE = "candidate"
    LEADER = "leader"


class RaftNode:
    """One voter or observer.

    log: the batches found on disk, behind `snapshot_offset`; they count as committed only once a
    leader says so. snapshot_*: the snapshot on disk; offset -1: none. voters: the set it holds;
    None: there is none, and this is the only voter, as every cluster begins.
    """

    def __init__(
        self,
        voter_id: int,
        hard_state: HardState,
        log: Sequence[EntryBatch],
        snapshot_offset: int = -1,
        *,
        snapshot_term: int = 0,
        snapshot_bytes: int = 0,
        voters: VoterSet | None = None,
        directory_id: Any = NO_DIRECTORY,
        cluster_id: str = "",
        address: str = "",
        rng: Random | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.me = VoterKey(voter_id, directory_id)
        self.voter_id = voter_id
        self.cluster_id = cluster_id
        self.address = address
        self.timing = timing or Timing()
        self.role = Role.FOLLOWER
        self.refused_count = 0  # messages of another cluster, or meant for another directory
        self._rng = rng or Random(voter_id)  # noqa: S311 - it spreads elections, it guards nothing
        self._hard_state = self._stored_hard_state = hard_state
        self.snapshot = Mark(snapshot_offset, snapshot_term)
        self.snapshot_bytes = snapshot_bytes
        self.log = MemoryLog(self.snapshot, log)
        only_me = VoterSet((Voter(self.me, address),))
        self._voters = VoterHistory(snapshot_offset, only_me if voters is None else voters)
        for batch in log:
            self._voters.take(batch.base_offset, batch.entries)
        self.committed_offset = snapshot_offset  # Last offset known committed; -1: none yet.
        self._applied_offset = snapshot_offset  # Last offset handed out to be applied.
        self._stable_offset = self.log.last.offset  # Last offset that is on disk.
        self._agreed_offset = -1  # Last offset known to be in the current leader's log too.
        self._to_persist: list[EntryBatch] = []
        self._in_flight: Ready | None = None
        self._outbox: list[Message] = []
        self._leader: VoterKey | None = None
        self._leads: Leadership | None = None
        self._granted: set[VoterKey] = set()
        self._incoming = IncomingSnapshot()
        self._to_install: Snapshot | None = None
        self._is_disk_full = False
        self._now_ms = 0
        self._echo_ms = 0  # sent_ms of the leader's newest message
        self._heard_leader_ms: int | None = None
        self._election_due_ms: int | None = None  # None: no tick came yet
        self._announce_due_ms = 0

    # --- what others ask -----------------------------------------------------------------------

    @property
    def term(self) -> int:
        return self._hard_state.term

    @property
    def end_offset(self) -> int:
        """Offset that the next proposed entry gets."""
        return self.log.end_offset

    @property
    def now_ms(self) -> int:
        """The clock as of the last message or tick."""
        return self._now_ms

    @property
    def stable_offset(self) -> int:
        return self._stable_offset

    @property
    def is_leader(self) -> bool:
        """True once this voter's own term has a committed entry, so that it may decide."""
        leads = self._leads
        return leads is not None and self.committed_offset >= leads.opening_offset

    @property
    def may_propose(self) -> bool:
        """True if this voter leads and is not handing that over."""
        return self.is_leader and self._leads is not None and self._leads.successor is None

    @property
    def leader_id(self) -> int | None:
        """Who leads, as far as this voter knows; None while nobody does."""
        leader = self.leader
        return None if leader is None else leader.id

    @property
    def leader(self) -> VoterKey | None:
        """As `leader_id`, with its directory."""
        if self._leads is not None:
            return self.me if self.is_leader else None
        return self._leader

    @property
    def voters(self) -> VoterSet:
        """The set in force, committed or not."""
        return self._voters.current

    def voters_at(self, offset: int) -> VoterSet:
        return self._voters.at(offset)

    @property
    def is_voter(self) -> bool:
        return self.me in self.voters

    @property
    def leads(self) -> Leadership | None:
        """What a leader knows of its peers; None elsewhere. For looking on."""
        return self._leads

    def has_lease(self, now_ms: int) -> bool:
        """True if nobody else can have been elected before `now_ms`: reads may be answered."""
        if not self.is_leader or self._leads is None or not self.is_voter:
            return False
        if not self._leads.has_lease:
            return False
        answered_ms = self._leads.majority_answered_ms(self.voters, now_ms)
        return answered_ms is not None and now_ms < answered_ms + self.timing.lease_ms

    @property
    def next_due_ms(self) -> int:
        """When `tick` has something to do; 0: at once."""
        if self._election_due_ms is None:
            return 0
        if self._leads is not None:
            return self._leads.heartbeat_due_ms
        return self._election_due_ms if self.is_voter else self._announce_due_ms

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

    def ready(self, *, may_persist: bool = True) -> Ready | None:
        """Return what is to be done now, or None. What needs no disk comes first.

        may_persist: False while the driver's disk is busy with something else.
        """
        may_speak = self._hard_state == self._stored_hard_state
        if self._leads is not None and may_speak:
            self._fill_appends()
        committed = self._take_committed()
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

    # --- time ----------------------------------------------------------------------------------

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

    def _note_time(self, now_ms: int) -> None:
        """At the first time: who has been here before may have answered a leader a moment ago,

        whose lease stands on that; who never voted need not let anybody wait.
        """
        self._now_ms = max(now_ms, self._now_ms)
        if self._election_due_ms is not None:
            return
        if self.term:
            self._heard_leader_ms = self._now_ms
            self._wait_for_leader()
        else:
            self._wait_to_retry()

    def _tick_leader(self, leads: Leadership) -> None:
        heard_ms = leads.majority_heard_ms(self.voters, self._now_ms)
        if self._now_ms >= heard_ms + self.timing.check_quorum_ms:
            self._become_follower(self.term, None)
            return
        if leads.successor is not None and self._now_ms >= leads.successor_until_ms:
            leads.successor = None
        if self._now_ms >= leads.heartbeat_due_ms:
            leads.heartbeat_due_ms = self._now_ms + self.timing.heartbeat_ms
            leads.follow(self.voters, self._now_ms, self.timing)
            for peer in list(leads.peers.values()):
                self._send_append(peer, ())
                self._send_chunk(peer, is_again=True)

    def _tick_observer(self) -> None:
        if self._now_ms < self._announce_due_ms:
            return
        self._announce_due_ms = self._now_ms + self.timing.announce_ms
        if self._is_leader_fresh(self.timing.election_ms_min):
            return
        self._leader = None
        self._announce()

    def _announce(self) -> None:
        for target in [SEEDS, *(key for key in self.voters.keys if key.id != self.voter_id)]:
            self._announce_to(target)

    def _announce_to(self, target: VoterKey) -> None:
        self._send(Announce, target, end_offset=self.end_offset, address=self.address)

    def _wait_for_leader(self) -> None:
        self._election_due_ms = self._now_ms + self._patience_ms()

    def _patience_ms(self) -> int:
        return self._rng.randint(self.timing.election_ms_min, self.timing.election_ms_max)

    def _wait_to_retry(self) -> None:
        spread = self._rng.randint(self.timing.retry_ms_min, self.timing.retry_ms_max)
        self._election_due_ms = self._now_ms + spread

    @property
    def _is_election_due(self) -> bool:
        return self._election_due_ms is not None and self._now_ms >= self._election_due_ms

    def _is_leader_fresh(self, within_ms: int) -> bool:
        heard_ms = self._heard_leader_ms
        return heard_ms is not None and self._now_ms < heard_ms + within_ms

    # --- elections -----------------------------------------------------------------------------

    def _ask_beforehand(self) -> None:
        """PreVote: nothing is promised and no term is begun before a majority would agree."""
        self.role, self._leader = Role.PRE_CANDIDATE, None
        self._granted = {self.me}
        self._wait_to_retry()
        self._ask_for_votes(self.term + 1, is_pre=True, is_transfer=False)
        self._announce()  # Perhaps this is no voter any more, and only a leader knows that.

    def campaign(self, *, is_transfer: bool = False) -> None:
        """Open a new term and vote for oneself, which elects an only voter."""
        if not self.is_voter:
            return
        self._stop_leading()
        self.role, self._leader = Role.CANDIDATE, None
        self._hard_state = HardState(self.term + 1, self.voter_id, self.me.directory_id)
        self._granted = {self.me}
        self._wait_to_retry()
        if self.voters.is_majority(self._granted):
            self._become_leader()
        else:
            self._ask_for_votes(self.term, is_pre=False, is_transfer=is_transfer)

    def _ask_for_votes(self, term: int, *, is_pre: bool, is_transfer: bool) -> None:
        last = self.log.last
        for key in self.voters.keys:
            if key != self.me:
                self._outbox.append(
                    VoteRequest(
                        cluster_id=self.cluster_id,
                        source=self.me,
                        target=key,
                        term=term,
                        is_pre=is_pre,
                        is_transfer=is_transfer,
                        last_offset=last.offset,
                        last_term=last.term,
                    )
                )

    def _on_vote_request(self, asked: VoteRequest) -> None:
        has_leader = self._leads is not None or self._is_leader_fresh(self.timing.election_ms_min)
        if has_leader and not asked.is_transfer:
            if asked.is_pre:
                self._reply_vote(asked, is_granted=False)
            return  # Its term is not taken over either: it would depose a leader that is well.
        if not asked.is_pre and asked.term > self.term:
            self._become_follower(asked.term, None)
        last = self.log.last
        is_current = (asked.last_term, asked.last_offset) >= (last.term, last.offset)
        if asked.is_pre:
            self._reply_vote(asked, is_granted=is_current and asked.term > self.term)
        elif asked.term < self.term or not is_current or not self._may_vote_for(asked.source):
            self._reply_vote(asked, is_granted=False)
        else:
            self._hard_state = HardState(self.term, asked.source.id, asked.source.directory_id)
            self._wait_for_leader()
            self._reply_vote(asked, is_granted=True)

    def _may_vote_for(self, candidate: VoterKey) -> bool:
        state = self._hard_state
        if state.voted_for is None:
            return self._leads is None
        return (state.voted_for, state.voted_directory) == candidate

    def _reply_vote(self, asked: VoteRequest, *, is_granted: bool) -> None:
        term = asked.term if asked.is_pre and is_granted else self.term
        self._outbox.append(
            VoteReply(
                cluster_id=self.cluster_id,
                source=self.me,
                target=asked.source,
                term=term,
                is_pre=asked.is_pre,
                is_granted=is_granted,
            )
        )

    def _on_vote_reply(self, reply: VoteReply) -> None:
        expected = (
            (Role.PRE_CANDIDATE, self.term + 1) if reply.is_pre else (Role.CANDIDATE, self.term)
        )
        if not reply.is_granted or (self.role, reply.term) != expected:
            return
        self._granted.add(reply.source)
        if not self.voters.is_majority(self._granted):
            return
        if reply.is_pre:
            self.campaign()
        else:
            self._become_leader()

    def _become_leader(self) -> None:
        self.role = Role.LEADER
        self._leads = Leadership(self.me, self.log, self.end_offset, self._now_ms)
        self._leads.follow(self.voters, self._now_ms, self.timing)
        self._append((NO_OP,))

    def _become_follower(self, term: int, leader: VoterKey | None) -> None:
        if term > self.term:
            self._hard_state = HardState(term)
            self._agreed_offset = -1
        if leader != self._leader:
            self._agreed_offset = -1
            self._incoming.clear()
        self._leader = leader
        self._stop_leading()

    def _stop_leading(self) -> None:
        if self._leads is not None:
            self._leads = None
            self._wait_for_leader()
        self.role = Role.FOLLOWER
        self._granted = set()

    # --- messages ------------------------------------------------------------------------------

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

    def _send(self, kind: type[Message], target: VoterKey, **more: Any) -> None:
        self._outbox.append(
            kind(cluster_id=self.cluster_id, source=self.me, target=target, term=self.term, **more)
        )

    # --- following -----------------------------------------------------------------------------

    def _hear_leader(self, message: Append | SnapshotChunk) -> None:
        if self._leads is not None:
            raise BrokenPromise(f"term {self.term} has two leaders")
        if self._leader != message.source or self.role != Role.FOLLOWER:
            self._become_follower(message.term, message.source)
        self._heard_leader_ms = self._now_ms
        self._echo_ms = message.sent_ms
        self._wait_for_leader()

    def _on_append(self, append: Append) -> None:
        if self._to_install is not None:
            self._reply_append(append, is_match=True)  # Nothing is taken before it is stored.
            return
        if not self._has_previous(append):
            self._reply_append(append, is_match=False)
            return
        last = append.prev_offset
        for batch in append.batches:
            last = batch.last_offset
            if last > self.log.mark.offset and not self.log.holds(batch):
                self._take_batch(batch)
        self._agreed_offset = max(self._agreed_offset, last)
        self._commit(min(append.commit, self._agreed_offset))
        self._reply_append(append, is_match=True)

    def _has_previous(self, append: Append) -> bool:
        """What is before the mark is committed, so it is the same everywhere."""
        if append.prev_offset < self.log.mark.offset:
            last = append.batches[-1].last_offset if append.batches else append.prev_offset
            return last <= self.log.mark.offset or any(
                batch.base_offset == self.log.mark.offset + 1 for batch in append.batches
            )
        return self.log.term_ending_at(append.prev_offset) == append.prev_term

    def _take_batch(self, batch: EntryBatch) -> None:
        if batch.base_offset < self.log.end_offset:
            if batch.base_offset <= self.committed_offset:
                raise BrokenPromise(f"offset {batch.base_offset} is committed and was replaced")
            self._cut(batch.base_offset)
        self._keep(batch)

    def _cut(self, offset: int) -> None:
        """Everything from `offset` on was not to be."""
        self.log.truncate_from(offset)
        self._voters.truncate_from(offset)
        self._to_persist = [one for one in self._to_persist if one.base_offset < offset]
        self._stable_offset = min(self._stable_offset, offset - 1)
        self._agreed_offset = min(self._agreed_offset, offset - 1)

    def _keep(self, batch: EntryBatch) -> None:
        self.log.append(batch)
        self._voters.take(batch.base_offset, batch.entries)
        self._to_persist.append(batch)

    @property
    def _acknowledged_offset(self) -> int:
        return min(self._stable_offset, self._agreed_offset)

    def _reply_append(self, message: Append | SnapshotChunk, *, is_match: bool) -> None:
        prev_offset = message.prev_offset if isinstance(message, Append) else -1
        hint = None
        if not is_match and isinstance(message, Append):
            hint = self.log.mark_at_most(message.prev_offset, message.prev_term)
        hint = hint or Mark()
        self._send(
            AppendReply,
            message.source,
            is_match=is_match,
            prev_offset=self._agreed_offset if is_match else prev_offset,
            match_offset=self._acknowledged_offset,
            hint_offset=hint.offset,
            hint_term=hint.term,
            sent_ms=message.sent_ms,
        )

    def _acknowledge(self) -> None:
        """A sync has ended: tell the leader what it may count on now."""
        if self._leader is not None and self._agreed_offset >= 0:
            self._send(
                AppendReply,
                self._leader,
                is_match=True,
                prev_offset=self._agreed_offset,
                match_offset=self._acknowledged_offset,
                hint_offset=-1,
                hint_term=0,
                sent_ms=self._echo_ms,
            )

    def _on_chunk(self, chunk: SnapshotChunk) -> None:
        is_known = chunk.last_offset <= self.committed_offset or (
            self.log.term_ending_at(chunk.last_offset) == chunk.last_term
        )
        if is_known:  # A late copy must not take away what was acknowledged since.
            if chunk.last_offset <= self.log.last.offset:
                self._commit(chunk.last_offset)
            agreed = min(self.committed_offset, self.log.last.offset)
            self._agreed_offset = max(self._agreed_offset, agreed)
            self._reply_append(chunk, is_match=True)
            return
        if self._to_install is not None:
            return
        snapshot = self._incoming.take(chunk)
        if snapshot is not None:
            if voters_in(snapshot.entries) is None:
                entries = (encode_voters(self.voters), *snapshot.entries)
                snapshot = snapshot._replace(entries=entries)
            self._to_install = snapshot
        else:
            self._send(
                SnapshotReply,
                chunk.source,
                last_offset=chunk.last_offset,
                position=self._incoming.position,
                sent_ms=chunk.sent_ms,
            )

    def _installed(self, snapshot: Snapshot) -> None:
        self._to_install = None
        offset = snapshot.last_offset
        self.snapshot = Mark(offset, snapshot.term)
        self.snapshot_bytes = 0  # The driver says how long it is on this disk.
        self.log = MemoryLog(self.snapshot)
        self._voters = VoterHistory(offset, voters_in(snapshot.entries) or VoterSet())
        self._to_persist = []
        self._stable_offset = self._applied_offset = self.committed_offset = offset
        self._agreed_offset = max(self._agreed_offset, offset)

    # --- leading -------------------------------------------------------------------------------

    def _append(self, entries: tuple[bytes, ...]) -> int:
        assert entries, "a proposal has at least one entry"
        batch = EntryBatch(self.end_offset, self.term, entries)
        self._keep(batch)
        if self._leads is not None and self._voters.changed_at >= batch.base_offset:
            self._leads.follow(self.voters, self._now_ms, self.timing)
        return batch.last_offset

    def _fill_appends(self) -> None:
        """Send each peer what it lacks, as far as its window goes."""
        assert self._leads is not None
        for peer in self._leads.peers.values():
            self._push_out(peer)

    def _push_out(self, peer: Progress) -> None:
        while peer.has_room and peer.transfer is None and peer.next_offset < self.end_offset:
            batches = self.log.between(peer.next_offset, self.end_offset, APPEND_BYTES_MAX)
            if not self._send_append(peer, batches):
                return
            peer.sent(batches[-1].last_offset, sum(map(size_bytes_of, batches)))
        if peer.told_commit < self.committed_offset and not peer.is_probing:
            self._send_append(peer, ())  # Its answers wait for that; the next heartbeat is far off.
        self._hand_over(peer)

    def _send_append(self, peer: Progress, batches: Sequence[EntryBatch]) -> bool:
        """Send batches, or a heartbeat; False if the peer needs a snapshot first."""
        previous = peer.next_offset - 1
        term = self.log.term_ending_at(previous)
        peer.told_commit = self.committed_offset
        if term is None:
            self._begin_transfer(peer)
            previous, term = self.log.mark
            batches = ()
        self._send(
            Append,
            peer.key,
            prev_offset=previous,
            prev_term=term,
            commit=self.committed_offset,
            sent_ms=self._now_ms,
            batches=batches,
        )
        return peer.transfer is None

    def _on_append_reply(self, peer: Progress, reply: AppendReply) -> None:
        peer.heard(reply.sent_ms, reply.match_offset, self.end_offset)
        if reply.is_match:
            peer.acknowledge(reply.match_offset, reply.prev_offset)
            self._commit_by_majority()
            self._hand_over(peer)
        elif self._is_news(peer, reply):
            mark = self.log.mark_at_most(reply.hint_offset, reply.hint_term)
            peer.probe_from(0 if mark is None else mark.offset + 1)
            self._send_append(peer, ())

    def _is_news(self, peer: Progress, reply: AppendReply) -> bool:
        """False for a refusal of what was sent before we learnt more."""
        if peer.transfer is not None or reply.prev_offset <= peer.match_offset:
            return False
        return not peer.is_probing or reply.prev_offset == peer.next_offset - 1

    def _begin_transfer(self, peer: Progress) -> None:
        if peer.transfer is not None and peer.transfer.last_offset == self.snapshot.offset:
            return
        if self.snapshot_bytes:
            peer.transfer = Transfer(*self.snapshot, self.snapshot_bytes)
            self._send_chunk(peer)

    def _send_chunk(self, peer: Progress, *, is_again: bool = False) -> None:
        transfer = peer.transfer
        if transfer is None:
            return
        if is_again and self._now_ms < transfer.sent_ms + self.timing.chunk_ms_max:
            return
        transfer.sent_ms = self._now_ms
        self._send(
            SnapshotChunk,
            peer.key,
            last_offset=transfer.last_offset,
            last_term=transfer.last_term,
            size_bytes=transfer.size_bytes,
            position=transfer.position,
            sent_ms=self._now_ms,
        )

    def _on_snapshot_reply(self, peer: Progress, reply: SnapshotReply) -> None:
        peer.heard(reply.sent_ms, -1, self.end_offset)
        transfer = peer.transfer
        if transfer is None or reply.last_offset != transfer.last_offset:
            return
        if reply.position != transfer.position:
            transfer.position = reply.position
            self._send_chunk(peer)

    def _on_announce(self, message: Announce) -> None:
        if self._leads is not None:
            if message.source not in self.voters:
                self._leads.welcome(
                    message.source, message.end_offset, message.address, self._now_ms
                )
                self._send_append(self._leads.peers[message.source], ())
        elif self._leader is not None and self._is_leader_fresh(self.timing.election_ms_max):
            voter = self.voters.by_id(self._leader.id)
            address = voter.address if voter is not None else ""
            self._send(LeaderHint, message.source, leader=self._leader, address=address)

    def _hand_over(self, peer: Progress) -> None:
        """Let the successor stand once it has everything."""
        leads = self._leads
        if leads is None or leads.successor != peer.key or leads.is_handed_over:
            return
        if peer.match_offset == self.log.last.offset:
            leads.is_handed_over = True
            leads.has_lease = False
            self._send(TimeoutNow, peer.key)

    # --- committing ----------------------------------------------------------------------------

    def _commit_by_majority(self) -> None:
        """An earlier term's entries are committed only behind one of the own (Raft 5.4.2)."""
        assert self._leads is not None
        offset = self._leads.committed_by(self.voters, self._stable_offset)
        if offset > self.committed_offset and self.log.term_ending_at(offset) == self.term:
            self._commit(offset)
            if not self.is_voter and self._voters.changed_at <= self.committed_offset:
                self._become_follower(self.term, None)  # It removed itself.

    def _commit(self, offset: int) -> None:
        self.committed_offset = max(self.committed_offset, offset)

    def _take_committed(self) -> tuple[EntryBatch, ...]:
        if self._applied_offset >= min(self.committed_offset, self.log.last.offset):
            return ()
        batches = self.log.between(self._applied_offset + 1, self.committed_offset + 1)
        if batches:
            self._applied_offset = batches[-1].last_offset
        return tuple(batches)
