"""Bugs planted into the quorum, to see that its simulation finds them.

Each replaces one method by what a plausible slip would have made of it. `first_seed` is the first
seed whose world shows it, found by `python -m tests.simulation planted`; a test replays it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from data_plane.metadata.controller import Controller
from data_plane.raft.durable import RaftDisk
from data_plane.raft.entries import HardState, Ready
from data_plane.raft.leadership import Leadership
from data_plane.raft.node import RaftNode
from data_plane.raft.snapshot import SnapshotDraft
from data_plane.raft.voters import VoterSet, encode_voters
from tests.simulation.quorum_node import QuorumNode
from tests.simulation.quorum_world import QuorumWorld

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


class Planted(NamedTuple):
    name: str
    plant: Plant
    first_seed: int  # where it showed; -1: nowhere yet
    is_quick: bool = False  # it shows within a few worlds, whatever the seeds do


class Found(NamedTuple):
    seed: int
    said: str


def found_by(planted: Planted, worlds_max: int) -> Found | None:
    """The first world that shows a bug which is planted already, from the stored seed on."""
    for seed in range(max(0, planted.first_seed), max(0, planted.first_seed) + worlds_max):
        try:
            QuorumWorld(seed).run()
        except Exception as error:
            return Found(seed, f"{type(error).__name__}: {error}")
    return None


def vote_not_persisted(patch: Patch) -> None:
    """The term is stored, for whom the voter voted in it is not."""
    persist = RaftDisk.persist

    def without_vote(self: RaftDisk, ready: Ready) -> None:
        state = ready.hard_state
        persist(self, ready if state is None else replace(ready, hard_state=HardState(state.term)))

    patch.setattr(RaftDisk, "persist", without_vote)


def term_not_persisted(patch: Patch) -> None:
    persist = RaftDisk.persist

    def without_state(self: RaftDisk, ready: Ready) -> None:
        persist(self, ready if ready.batches else replace(ready, hard_state=None))

    patch.setattr(RaftDisk, "persist", without_state)


def acknowledged_before_sync(patch: Patch) -> None:
    """A follower answers with what it has in memory."""
    patch.setattr(RaftNode, "_acknowledged_offset", property(lambda self: self._agreed_offset))


def leader_counts_itself_before_sync(patch: Patch) -> None:
    committed_by = Leadership.committed_by

    def early(self: Leadership, voters: VoterSet, own_offset: int) -> int:
        del own_offset
        return committed_by(self, voters, self._log.last.offset)

    patch.setattr(Leadership, "committed_by", early)


def earlier_term_committed_by_count(patch: Patch) -> None:
    """Figure 8 of the Raft paper."""

    def by_count(self: RaftNode) -> None:
        assert self._leads is not None
        offset = self._leads.committed_by(self.voters, self._stable_offset)
        if offset > self.committed_offset:
            self._commit(offset)

    patch.setattr(RaftNode, "_commit_by_majority", by_count)


def snapshot_off_by_one(patch: Patch) -> None:
    """A snapshot says that it holds one entry more than it does."""
    begin = Controller.draft_snapshot

    def off_by_one(self: Controller) -> SnapshotDraft:
        draft = begin(self)
        source = draft._source
        draft._source = lambda: source()._replace(last_offset=draft.last_offset + 1)
        draft.last_offset += 1
        return draft

    patch.setattr(Controller, "draft_snapshot", off_by_one)


def voters_changed_when_committed(patch: Patch) -> None:
    """A new set of voters is in force only when it is committed, which each learns at its time."""
    patch.setattr(RaftNode, "voters", property(lambda self: self._voters.at(self.committed_offset)))


def two_changes_at_once(patch: Patch) -> None:
    """Nobody waits until the change before is committed."""

    def change(self: RaftNode, voters: VoterSet) -> int:
        return self.propose([encode_voters(voters)])

    patch.setattr(RaftNode, "_change", change)


def lease_by_wall_clock(patch: Patch) -> None:
    patch.setattr(QuorumNode, "clock_ms", lambda self: self.clock.wall_ms())


def lease_without_margin(patch: Patch) -> None:
    """A leader trusts its lease for as long as followers wait at most, not at least."""

    def has_lease(self: RaftNode, now_ms: int) -> bool:
        if not self.is_leader or self._leads is None:
            return False
        heard_ms = self._leads.majority_heard_ms(self.voters, now_ms)
        return now_ms < heard_ms + self.timing.election_ms_max

    patch.setattr(RaftNode, "has_lease", has_lease)


def reads_without_lease(patch: Patch) -> None:
    """Whoever believes to lead answers at once."""
    patch.setattr(RaftNode, "has_lease", lambda self, now_ms: self.is_leader)


def stale_sync_counted(patch: Patch) -> None:
    """A sync that ends after a later leader cut the log still counts."""
    advance = RaftNode.advance

    def trusting(self: RaftNode, ready: Ready) -> None:
        advance(self, ready)
        if ready.batches:
            last = min(ready.batches[-1].last_offset, self.log.last.offset)
            self._stable_offset = max(self._stable_offset, last)

    patch.setattr(RaftNode, "advance", trusting)


def votes_for_shorter_logs(patch: Patch) -> None:
    """Only terms are compared, not how long the logs are."""
    asked = RaftNode._on_vote_request

    def lenient(self: RaftNode, request: Any) -> None:
        last = self.log.last
        if request.last_term == last.term:
            request = replace(request, last_offset=max(request.last_offset, last.offset))
        asked(self, request)

    patch.setattr(RaftNode, "_on_vote_request", lenient)


def directory_not_compared(patch: Patch) -> None:
    """Votes count by broker id: an empty directory speaks for the one that was lost."""

    def step(self: RaftNode, message: Any, now_ms: int, original: Any = RaftNode.step) -> None:
        voter = self.voters.by_id(message.source.id)
        source = message.source if voter is None else voter.key
        target = self.me if message.target.id == self.voter_id else message.target
        original(self, replace(message, source=source, target=target), now_ms)

    patch.setattr(RaftNode, "step", step)


def prevote_ignored(patch: Patch) -> None:
    """Stand at once: that costs availability, and breaks no promise."""
    patch.setattr(RaftNode, "_ask_beforehand", lambda self: self.campaign())


BANK = (
    Planted("vote not persisted", vote_not_persisted, 0),
    Planted("term not persisted", term_not_persisted, 0, is_quick=True),
    Planted("acknowledged before sync", acknowledged_before_sync, 0),
    Planted("leader counts itself before sync", leader_counts_itself_before_sync, 0),
    Planted("earlier term committed by count", earlier_term_committed_by_count, 0),
    Planted("snapshot off by one", snapshot_off_by_one, 0, is_quick=True),
    Planted("voters changed when committed", voters_changed_when_committed, 0),
    Planted("two changes at once", two_changes_at_once, 0),
    Planted("lease by wall clock", lease_by_wall_clock, 0, is_quick=True),
    Planted("lease without margin", lease_without_margin, 0),
    Planted("reads without lease", reads_without_lease, 0),
    Planted("stale sync counted", stale_sync_counted, -1),
    Planted("votes for shorter logs", votes_for_shorter_logs, 0),
    Planted("directory not compared", directory_not_compared, -1),
)
