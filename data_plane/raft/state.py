"""What every node of the quorum remembers, and the few ways in which that changes."""

from collections.abc import Sequence
from enum import Enum
from random import Random
from typing import Any
from uuid import UUID

from data_plane.raft.entries import NO_DIRECTORY, EntryBatch, HardState, Ready
from data_plane.raft.incoming import IncomingSnapshot
from data_plane.raft.leadership import Leadership
from data_plane.raft.memory_log import Mark, MemoryLog
from data_plane.raft.messages import SEEDS, Announce, Message
from data_plane.raft.snapshot import Snapshot
from data_plane.raft.timing import Timing
from data_plane.raft.voters import Voter, VoterHistory, VoterKey, VoterSet


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"  # asks whether an election would be won
    CANDIDATE = "candidate"
    LEADER = "leader"


class NodeState:
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
        directory_id: UUID = NO_DIRECTORY,
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
        self.last_leader: tuple[VoterKey, int] | None = None  # another one; when it was heard last
        self._election_due_ms: int | None = None  # None: no tick came yet
        self._announce_due_ms = 0

    @property
    def term(self) -> int:
        return self._hard_state.term

    @property
    def now_ms(self) -> int:
        """The clock as of the last message or tick."""
        return self._now_ms

    @property
    def end_offset(self) -> int:
        """Offset that the next proposed entry gets."""
        return self.log.end_offset

    @property
    def stable_offset(self) -> int:
        return self._stable_offset

    @property
    def is_leader(self) -> bool:
        """True once this voter's own term has a committed entry, so that it may decide."""
        leads = self._leads
        return leads is not None and self.committed_offset >= leads.opening_offset

    @property
    def leader(self) -> VoterKey | None:
        """As `leader_id`, with its directory."""
        if self._leads is not None:
            return self.me if self.is_leader else None
        return self._leader

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

    def _wait_for_leader(self) -> None:
        self._election_due_ms = self._now_ms + self._patience_ms()

    def _patience_ms(self) -> int:
        return self._rng.randint(self.timing.election_ms_min, self.timing.election_ms_max)

    def _wait_to_retry(self) -> None:
        spread = self._rng.randint(self.timing.retry_ms_min, self.timing.retry_ms_max)
        self._election_due_ms = self._now_ms + spread

    def _note_time(self, now_ms: int) -> None:
        """At the first time: who has been here before may have answered a leader a moment ago,

        whose lease stands on that; who never voted need not let anybody wait, nor who is the only
        voter and has voted for itself: in this term it can have answered nobody.
        """
        self._now_ms = max(now_ms, self._now_ms)
        if self._election_due_ms is not None:
            return
        if self.term and not self._led_alone:
            self._heard_leader_ms = self._now_ms
            self._wait_for_leader()
        else:
            self._wait_to_retry()

    @property
    def _led_alone(self) -> bool:
        """Nobody else votes, and the vote of this term is its own."""
        vote = (self._hard_state.voted_for, self._hard_state.voted_directory)
        is_own = vote == (self.me.id, self.me.directory_id)
        return is_own and len(self.voters) == 1 and self.is_voter

    @property
    def _is_election_due(self) -> bool:
        return self._election_due_ms is not None and self._now_ms >= self._election_due_ms

    def _is_leader_fresh(self, within_ms: int) -> bool:
        heard_ms = self._heard_leader_ms
        return heard_ms is not None and self._now_ms < heard_ms + within_ms

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

    def _send(self, kind: type[Message], target: VoterKey, **more: Any) -> None:
        self._outbox.append(
            kind(cluster_id=self.cluster_id, source=self.me, target=target, term=self.term, **more)
        )

    def _announce(self) -> None:
        for target in [SEEDS, *(key for key in self.voters.keys if key.id != self.voter_id)]:
            self._announce_to(target)

    def _announce_to(self, target: VoterKey) -> None:
        self._send(Announce, target, end_offset=self.end_offset, address=self.address)

    def _append(self, entries: tuple[bytes, ...]) -> int:
        assert entries, "a proposal has at least one entry"
        batch = EntryBatch(self.end_offset, self.term, entries)
        self._keep(batch)
        if self._leads is not None and self._voters.changed_at >= batch.base_offset:
            self._leads.follow(self.voters, self._now_ms, self.timing)
        return batch.last_offset

    def _keep(self, batch: EntryBatch) -> None:
        self.log.append(batch)
        self._voters.take(batch.base_offset, batch.entries)
        self._to_persist.append(batch)

    def _cut(self, offset: int) -> None:
        """Everything from `offset` on was not to be."""
        self.log.truncate_from(offset)
        self._voters.truncate_from(offset)
        self._to_persist = [one for one in self._to_persist if one.base_offset < offset]
        self._stable_offset = min(self._stable_offset, offset - 1)
        self._agreed_offset = min(self._agreed_offset, offset - 1)

    def _commit(self, offset: int) -> None:
        self.committed_offset = max(self.committed_offset, offset)

    @property
    def has_unapplied(self) -> bool:
        """More is committed than was given out to be applied."""
        return self._applied_offset < min(self.committed_offset, self.log.last.offset)

    def _take_committed(self, entries_max: int | None = None) -> tuple[EntryBatch, ...]:
        if not self.has_unapplied:
            return ()
        start, end = self._applied_offset + 1, self.committed_offset + 1
        if entries_max is None or end - start <= entries_max:
            batches = self.log.between(start, end)
        else:
            batches = self.log.between(start, start + entries_max)
            batches = batches or self.log.between(start, end, bytes_max=0)  # One, however long.
        if batches:
            self._applied_offset = batches[-1].last_offset
        return tuple(batches)
