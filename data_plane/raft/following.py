"""Following: taking over what the leader has, and saying how far (Raft 5.3)."""

from data_plane.raft.entries import EntryBatch
from data_plane.raft.memory_log import Mark, MemoryLog
from data_plane.raft.messages import Append, AppendReply, SnapshotChunk, SnapshotReply
from data_plane.raft.snapshot import Snapshot
from data_plane.raft.state import Role
from data_plane.raft.voters import VoterHistory, VoterSet, encode_voters, voters_in
from data_plane.raft.voting import Voting


class BrokenPromise(Exception):
    """A peer or a disk forgot what it had promised; going on would lose what is committed."""


class Following(Voting):
    """What a node does for its leader."""

    def _hear_leader(self, message: Append | SnapshotChunk) -> None:
        if self._leads is not None:
            raise BrokenPromise(f"term {self.term} has two leaders")
        if self._leader != message.source or self.role != Role.FOLLOWER:
            self._become_follower(message.term, message.source)
        self._heard_leader_ms = self._now_ms
        self.last_leader = message.source, self._now_ms
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
