"""Leading: sending each peer what it lacks, and committing what a majority has."""

from collections.abc import Sequence

from data_plane.raft.entries import EntryBatch
from data_plane.raft.following import Following
from data_plane.raft.leadership import Leadership
from data_plane.raft.memory_log import size_bytes_of
from data_plane.raft.messages import (
    Announce,
    Append,
    AppendReply,
    LeaderHint,
    SnapshotChunk,
    SnapshotReply,
    TimeoutNow,
)
from data_plane.raft.progress import Progress, Transfer

APPEND_BYTES_MAX = 256 * 1024  # of batches in one message, one batch at least


class Leading(Following):
    """What a node does for its peers."""

    def has_lease(self, now_ms: int) -> bool:
        """True if nobody else can have been elected before `now_ms`: reads may be answered."""
        if not self.is_leader or self._leads is None or not self.is_voter:
            return False
        if not self._leads.has_lease:
            return False
        answered_ms = self._leads.majority_answered_ms(self.voters, now_ms)
        return answered_ms is not None and now_ms < answered_ms + self.timing.lease_ms

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
        if peer.told_commit is None:
            self._send_append(peer, ())  # Whom a new leader does not tell might stand as well.
        elif peer.told_commit < self.committed_offset and not peer.is_probing:
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
            if peer.transfer and self.log.term_ending_at(peer.next_offset - 1) is not None:
                peer.transfer = None  # It lacks no snapshot, and this one may be gone by now.
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

    def _commit_by_majority(self) -> None:
        """An earlier term's entries are committed only behind one of the own (Raft 5.4.2)."""
        assert self._leads is not None
        offset = self._leads.committed_by(self.voters, self._stable_offset)
        if offset > self.committed_offset and self.log.term_ending_at(offset) == self.term:
            self._commit(offset)
            if not self.is_voter and self._voters.changed_at <= self.committed_offset:
                self._become_follower(self.term, None)  # It removed itself.

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
