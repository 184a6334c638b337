"""What must hold in every world of the quorum, looked at after each event."""

from collections.abc import Sequence

from data_plane.metadata.codec import decode_record
from data_plane.metadata.records import ConfigRecord
from data_plane.raft.entries import EntryBatch, Ready, is_control
from data_plane.raft.memory_log import Mark
from data_plane.raft.messages import Message, VoteReply, VoteRequest
from data_plane.raft.node import RaftNode
from data_plane.raft.voters import VoterKey, VoterSet, voters_in


class Violation(AssertionError):
    """An invariant is broken; the text names it and the place."""


class QuorumInvariants:
    """Memory of the whole history: what one node once showed, all must agree with."""

    def __init__(self, voters: VoterSet) -> None:
        self.leaders: dict[int, VoterKey] = {}  # by term
        self.committed: dict[int, EntryBatch] = {}  # by base offset
        self.committed_end = Mark(0, 0)  # of the bootstrap
        self.values: dict[str, int] = {}  # offset by value, of the settings that are committed
        self._kept: dict[tuple[int, int], tuple[EntryBatch, Mark]] = {}  # by base offset and term
        self._sent_terms: dict[VoterKey, int] = {}
        self._votes: dict[tuple[VoterKey, int], VoterKey] = {}  # by voter and term
        self.voters = voters  # as committed last
        self._voters_from = [(0, voters)]  # by the offset of the entry
        self._looked: dict[VoterKey, tuple[int, VoterSet]] = {}

    def looked_at(self, nodes: Sequence[RaftNode]) -> None:
        """Election safety, leader completeness, one set of voters."""
        for node in nodes:
            self._knows_voters(node)
            if node.leads is None:
                continue
            known = self.leaders.get(node.term)
            if known is None:
                self.leaders[node.term] = node.me
                self._is_complete(node)
            elif known != node.me:
                raise Violation(f"election safety: term {node.term} has {known} and {node.me}")

    def _is_complete(self, node: RaftNode) -> None:
        offset, term = self.committed_end
        if node.log.mark.offset >= offset:
            return
        if node.log.term_ending_at(offset) != term:
            raise Violation(
                f"leader completeness: {node.me.id} leads term {node.term} without {offset}"
            )

    def _knows_voters(self, node: RaftNode) -> None:
        """Who knows so much to be committed, and has it, knows who votes from there on."""
        offset = min(node.committed_offset, node.log.last.offset)
        found = node._voters.at(offset)
        is_ahead = not 0 < offset <= self.committed_end.offset
        if is_ahead or self._looked.get(node.me) == (offset, found):
            return
        self._looked[node.me] = (offset, found)
        expected = next(each for at, each in reversed(self._voters_from) if at <= offset)
        if found.keys != expected.keys:
            raise Violation(f"voters: {node.me.id} knows {found.keys} at {offset}")

    def leases(self, leaders: Sequence[tuple[RaftNode, int]]) -> None:
        """Who has a lease, by its own clock, is the newest leader of all."""
        newest = max((node.term for node, _ in leaders if node.is_leader), default=0)
        for node, now_ms in leaders:
            if node.term < newest and node.has_lease(now_ms):
                raise Violation(f"lease: {node.me.id} of term {node.term}, but {newest} leads")

    def persisting(self, node: RaftNode, ready: Ready) -> None:
        """Log matching: one offset and term has one batch, with one history behind it."""
        for batch in ready.batches:
            before = self._before(node, batch)
            if before is None:
                continue
            known = self._kept.setdefault((batch.base_offset, batch.term), (batch, before))
            if known != (batch, before):
                raise Violation(f"log matching: {batch.base_offset} of term {batch.term} differs")

    def _before(self, node: RaftNode, batch: EntryBatch) -> Mark | None:
        """What precedes the batch in the node's log; None if that is not held any more."""
        if not node.log.holds(batch):
            return None
        offset = batch.base_offset - 1
        term = node.log.term_ending_at(offset)
        return None if term is None else Mark(offset, term)

    def applied(self, node: RaftNode, batches: Sequence[EntryBatch]) -> None:
        """What is committed is the same everywhere and for ever, without a gap."""
        for batch in batches:
            known = self.committed.get(batch.base_offset)
            if known is None:
                if batch.base_offset != self.committed_end.offset + 1:
                    raise Violation(
                        f"committed entries: {node.me.id} has {batch.base_offset} committed, the "
                        f"others end at {self.committed_end.offset}"
                    )
                self._commit(batch)
            elif known != batch:
                raise Violation(
                    f"committed entries: {batch.base_offset} of term {known.term} became "
                    f"{batch.term} on {node.me.id}"
                )

    def _commit(self, batch: EntryBatch) -> None:
        self.committed[batch.base_offset] = batch
        self.committed_end = Mark(batch.last_offset, batch.term)
        for at, entry in enumerate(batch.entries, batch.base_offset):
            record = None if is_control(entry) else decode_record(entry)
            if isinstance(record, ConfigRecord):
                self.values.setdefault(record.value or "", at)
        voters = voters_in(batch.entries)
        if voters is not None:
            changed = set(voters.keys) ^ set(self.voters.keys)
            if len(changed) > 1:
                raise Violation(f"membership: {len(changed)} voters changed at once")
            self.voters = voters
            self._voters_from.append((batch.last_offset, voters))

    def sent(self, message: Message) -> None:
        """A voter never speaks of an earlier term than before, over crashes too."""
        is_pre = isinstance(message, VoteRequest | VoteReply) and message.is_pre
        if is_pre:
            return
        known = self._sent_terms.get(message.source, 0)
        if message.term < known:
            raise Violation(
                f"monotonic terms: {message.source.id} spoke of {known}, then of {message.term}"
            )
        self._sent_terms[message.source] = message.term
        if isinstance(message, VoteRequest):
            self._voted(message.source, message.term, message.source)
        elif isinstance(message, VoteReply) and message.is_granted:
            self._voted(message.source, message.term, message.target)

    def _voted(self, voter: VoterKey, term: int, candidate: VoterKey) -> None:
        """A voter has one vote in a term; who stands has given it to itself."""
        known = self._votes.setdefault((voter, term), candidate)
        if known != candidate:
            raise Violation(f"one vote: {voter.id} chose {known.id} and {candidate.id} in {term}")
