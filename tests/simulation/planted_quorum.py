"""Bugs planted into the quorum; each replaces one method by what a slip would have made of it.

A sync that ends after a later leader has cut the log, and counts all the same, is none of them: it
never bit. Who hears of a new term may not speak before it has stored that, behind the sync under
way, and until it speaks no new leader sends it anything that would cut its log.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from data_plane.metadata.controller import Controller
from data_plane.raft.durable import RaftDisk
from data_plane.raft.entries import HardState, Ready
from data_plane.raft.following import Following
from data_plane.raft.leadership import Leadership
from data_plane.raft.messages import Append, AppendReply
from data_plane.raft.node import RaftNode
from data_plane.raft.snapshot import Snapshot, SnapshotDraft
from data_plane.raft.state import NodeState, Role
from data_plane.raft.voters import VoterHistory, VoterSet, encode_voters
from tests.simulation.plants import Plant, Planted
from tests.simulation.quorum_node import QuorumNode
from tests.simulation.worlds import QUORUM

# --- what is on disk -----------------------------------------------------------------------------


def vote_not_persisted(plant: Plant) -> None:
    """The term is stored, for whom the voter voted in it is not."""
    persist = RaftDisk.persist

    def without_vote(self: RaftDisk, ready: Ready) -> None:
        state = ready.hard_state
        if state is not None and state.voted_for is not None:
            plant.bites()
            ready = replace(ready, hard_state=HardState(state.term))
        persist(self, ready)

    plant.replace(RaftDisk, "persist", without_vote)


def term_not_persisted(plant: Plant) -> None:
    persist = RaftDisk.persist

    def without_state(self: RaftDisk, ready: Ready) -> None:
        if ready.hard_state is not None and not ready.batches:
            plant.bites()
            ready = replace(ready, hard_state=None)
        persist(self, ready)

    plant.replace(RaftDisk, "persist", without_state)


def acknowledged_before_sync(plant: Plant) -> None:
    """A follower answers with what it has in memory."""

    def agreed(self: Following) -> int:
        if self._stable_offset < self._agreed_offset:
            plant.bites()
        return self._agreed_offset

    plant.replace(Following, "_acknowledged_offset", property(agreed))


def leader_counts_itself_before_sync(plant: Plant) -> None:
    committed_by = Leadership.committed_by

    def early(self: Leadership, voters: VoterSet, own_offset: int) -> int:
        if own_offset < self._log.last.offset:
            plant.bites()
        return committed_by(self, voters, self._log.last.offset)

    plant.replace(Leadership, "committed_by", early)


def snapshot_off_by_one(plant: Plant) -> None:
    """A snapshot says that it holds one entry more than it does."""
    begin = Controller.draft_snapshot

    def off_by_one(self: Controller) -> SnapshotDraft:
        draft = begin(self)
        plant.bites()
        source = draft._source
        draft._source = lambda: source()._replace(last_offset=draft.last_offset + 1)
        draft.last_offset += 1
        return draft

    plant.replace(Controller, "draft_snapshot", off_by_one)


# --- replication ---------------------------------------------------------------------------------


def earlier_term_committed_by_count(plant: Plant) -> None:
    """Figure 8 of the Raft paper."""

    def by_count(self: RaftNode) -> None:
        assert self._leads is not None
        offset = self._leads.committed_by(self.voters, self._stable_offset)
        if offset > self.committed_offset:
            if self.log.term_ending_at(offset) != self.term:
                plant.bites()
            self._commit(offset)

    plant.replace(RaftNode, "_commit_by_majority", by_count)


def log_matching_not_checked(plant: Plant) -> None:
    """What a leader sends is appended, whatever lies before it here."""
    has_previous = Following._has_previous

    def lenient(self: Following, append: Append) -> bool:
        if has_previous(self, append):
            return True
        if append.prev_offset > self.log.last.offset or append.prev_offset < self.log.mark.offset:
            return False  # There would be a gap, which nobody overlooks.
        plant.bites()
        return True

    plant.replace(Following, "_has_previous", lenient)


def commit_beyond_what_agrees(plant: Plant) -> None:
    """A follower commits as far as its log goes, though its end may be of another leader's."""
    on_append = Following._on_append

    def sure(self: Following, append: Append) -> None:
        on_append(self, append)
        offset = min(append.commit, self.log.last.offset)
        if offset > self.committed_offset and self._to_install is None:
            plant.bites()
            self._commit(offset)

    plant.replace(Following, "_on_append", sure)


def reply_of_earlier_term_counted(plant: Plant) -> None:
    """What a follower had before its log was cut counts for the leader of now."""
    step = RaftNode.step

    def lenient(self: RaftNode, message: Any, now_ms: int) -> None:
        if isinstance(message, AppendReply) and message.term < self.term and self._leads:
            plant.bites()
            message = replace(message, term=self.term)
        step(self, message, now_ms)

    plant.replace(RaftNode, "step", lenient)


def observers_counted(plant: Plant) -> None:
    """Whoever holds an entry counts towards its majority, whether it votes or not."""
    committed_by = Leadership.committed_by

    def generous(self: Leadership, voters: VoterSet, own_offset: int) -> int:
        held = [own_offset, *(peer.match_offset for peer in self.peers.values())]
        found = sorted(held, reverse=True)
        offset = found[voters.majority - 1] if len(found) >= voters.majority else -1
        if offset > committed_by(self, voters, own_offset):
            plant.bites()
        return offset

    plant.replace(Leadership, "committed_by", generous)


# --- voters --------------------------------------------------------------------------------------


def voters_changed_when_committed(plant: Plant) -> None:
    """A new set of voters is in force only when it is committed, which each learns at its time."""

    def committed(self: NodeState) -> VoterSet:
        found = self._voters.at(self.committed_offset)
        if found is not self._voters.current:
            plant.bites()
        return found

    plant.replace(NodeState, "voters", property(committed))


def two_changes_at_once(plant: Plant) -> None:
    """Nobody waits until the change before is committed."""

    def change(self: RaftNode, voters: VoterSet) -> int:
        if self._voters.changed_at > self.committed_offset:
            plant.bites()
        return self.propose([encode_voters(voters)])

    plant.replace(RaftNode, "_change", change)


def voters_of_snapshot_not_taken(plant: Plant) -> None:
    """Who catches up by a snapshot goes on with the voters that it knew."""
    installed = Following._installed

    def forgetful(self: Following, snapshot: Snapshot) -> None:
        known = self.voters
        installed(self, snapshot)
        if known.keys != self.voters.keys:
            plant.bites()
            self._voters = VoterHistory(snapshot.last_offset, known)

    plant.replace(Following, "_installed", forgetful)


def directory_not_compared(plant: Plant) -> None:
    """A voter is its broker id: an empty directory speaks for the one that was lost."""
    step = RaftNode.step

    def lenient(self: RaftNode, message: Any, now_ms: int) -> None:
        voter = self.voters.by_id(message.source.id)
        source = message.source if voter is None else voter.key
        target = self.me if message.target.id == self.voter_id else message.target
        if (source, target) != (message.source, message.target):
            plant.bites()
        step(self, replace(message, source=source, target=target), now_ms)

    plant.replace(RaftNode, "step", lenient)


# --- elections and leases ------------------------------------------------------------------------


def votes_for_shorter_logs(plant: Plant) -> None:
    """Only terms are compared, not how long the logs are."""
    asked = RaftNode._on_vote_request

    def lenient(self: RaftNode, request: Any) -> None:
        last = self.log.last
        if request.last_term == last.term and request.last_offset < last.offset:
            plant.bites()
            request = replace(request, last_offset=last.offset)
        asked(self, request)

    plant.replace(RaftNode, "_on_vote_request", lenient)


def repeated_vote_counted_twice(plant: Plant) -> None:
    """Votes are counted as they come; the network brings some of them twice."""
    on_reply = RaftNode._on_vote_reply

    def counting(self: RaftNode, reply: Any) -> None:
        is_current = (self.role, reply.term) == (Role.CANDIDATE, self.term) and not reply.is_pre
        if reply.is_granted and is_current and reply.source in self._granted:
            plant.bites()
            self._granted.update(self.voters.keys[: len(self._granted) + 1])
        on_reply(self, reply)

    plant.replace(RaftNode, "_on_vote_reply", counting)


def lease_by_wall_clock(plant: Plant) -> None:
    def wall(self: QuorumNode) -> int:
        if self.clock.wall_offset_ms:
            plant.bites()
        return self.clock.wall_ms()

    plant.replace(QuorumNode, "clock_ms", wall)


def lease_without_margin(plant: Plant) -> None:
    """A leader trusts its lease for as long as followers wait at most, not at least."""
    right = RaftNode.has_lease

    def has_lease(self: RaftNode, now_ms: int) -> bool:
        if not self.is_leader or self._leads is None:
            return False
        heard_ms = self._leads.majority_heard_ms(self.voters, now_ms)
        found = now_ms < heard_ms + self.timing.election_ms_max
        if found and not right(self, now_ms):
            plant.bites()
        return found

    plant.replace(RaftNode, "has_lease", has_lease)


def reads_without_lease(plant: Plant) -> None:
    """Whoever believes to lead answers at once."""
    right = RaftNode.has_lease

    def has_lease(self: RaftNode, now_ms: int) -> bool:
        if self.is_leader and not right(self, now_ms):
            plant.bites()
        return self.is_leader

    plant.replace(RaftNode, "has_lease", has_lease)


def decides_before_opening_entry(plant: Plant) -> None:
    """A new controller decides at once, by the image that it has.

    Until an entry of its own term is committed it does not know all that is. That is asked for
    twice, of who leads and of how far the image goes; either is enough, so that both have to go.
    """

    def at_once(self: NodeState) -> bool:
        return self._leads is not None

    def whatever_it_knows(self: Controller) -> bool:
        if self.node.may_propose and self.image.offset + 1 != self.node.end_offset:
            plant.bites()
        return self.node.may_propose

    plant.replace(NodeState, "is_leader", property(at_once))
    plant.replace(Controller, "is_active", property(whatever_it_knows))


def prevote_ignored(plant: Plant) -> None:
    """Stand at once: that costs availability, and breaks no promise. Not part of the bank."""

    def stand(self: RaftNode) -> None:
        plant.bites()
        self.campaign()

    plant.replace(RaftNode, "_ask_beforehand", stand)


def _in_quorum(name: str, plant: Callable[[Plant], None], aim: str = "") -> Planted:
    return Planted(name, plant, QUORUM, aim=aim)


BANK = (
    _in_quorum("term not persisted", term_not_persisted),
    _in_quorum("entry acknowledged before sync", acknowledged_before_sync, "acknowledgement lost"),
    _in_quorum(
        "leader counts itself before sync", leader_counts_itself_before_sync, "blow to leader"
    ),
    _in_quorum("snapshot off by one", snapshot_off_by_one),
    _in_quorum("earlier term committed by count", earlier_term_committed_by_count, "figure eight"),
    _in_quorum("log matching not checked", log_matching_not_checked, "clocks and cut"),
    _in_quorum("commit beyond what agrees", commit_beyond_what_agrees, "clocks and cut"),
    _in_quorum(
        "reply of an earlier term counted",
        reply_of_earlier_term_counted,
        "reply of an earlier term",
    ),
    _in_quorum("observers counted", observers_counted, "leader among observers"),
    _in_quorum("voters changed when committed", voters_changed_when_committed, "voters of before"),
    _in_quorum("two changes at once", two_changes_at_once, "leader among observers"),
    _in_quorum("voters of a snapshot not taken", voters_of_snapshot_not_taken),
    _in_quorum("directory not compared", directory_not_compared, "lost directory votes"),
    _in_quorum("votes for shorter logs", votes_for_shorter_logs, "shorter log stands"),
    _in_quorum("repeated vote counted twice", repeated_vote_counted_twice, "contest"),
    _in_quorum("lease by wall clock", lease_by_wall_clock, "clocks and cut"),
    _in_quorum("lease without margin", lease_without_margin, "clocks and cut"),
    _in_quorum("reads without lease", reads_without_lease, "clocks and cut"),
    _in_quorum(
        "decides before its opening entry", decides_before_opening_entry, "leader lost, slow disks"
    ),
)
