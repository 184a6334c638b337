"""A voter of the metadata quorum as a pure state machine: no clock, no disk, no network.

The driver takes `ready()`, persists what it says, applies what it commits and calls `advance`
(style.md example 7). This is the quorum of one voter, whose own synced log is the majority; a
quorum of three puts elections and replication behind the same five names.
"""

from collections.abc import Sequence

from data_plane.raft.entries import NO_OP, EntryBatch, HardState, Ready


class NotLeader(Exception):
    """This voter does not lead, or its term's first entry is not committed yet; ask again."""


class RaftNode:
    """One voter. After `campaign` has been carried out it leads, and `propose` is open.

    log: the batches found on disk, in order. They count as committed only once this voter leads
    and has committed an entry of its own term.
    snapshot_offset: last offset that a snapshot stands for, which was committed; -1: none.
    """

    def __init__(
        self,
        voter_id: int,
        hard_state: HardState,
        log: Sequence[EntryBatch],
        snapshot_offset: int = -1,
    ) -> None:
        self.voter_id = voter_id
        self._hard_state = hard_state
        self._stored_hard_state = hard_state
        self._to_persist: list[EntryBatch] = []
        self._uncommitted: list[EntryBatch] = list(log)  # Persisted or not, in order.
        self._to_apply: list[EntryBatch] = []
        self._end_offset = (log[-1].last_offset if log else snapshot_offset) + 1
        self._in_flight: Ready | None = None
        self._leads = False
        self._opening_offset = -1  # Of the entry that opened the own term.
        self.committed_offset = snapshot_offset  # Last offset known committed; -1: none yet.

    @property
    def term(self) -> int:
        return self._hard_state.term

    @property
    def end_offset(self) -> int:
        """Offset that the next proposed entry gets."""
        return self._end_offset

    @property
    def is_leader(self) -> bool:
        """True once this voter's own term has a committed entry, so that it may decide."""
        return self._leads and self.committed_offset >= self._opening_offset

    @property
    def leader_id(self) -> int | None:
        """Who leads, as far as this voter knows; None while nobody does."""
        return self.voter_id if self.is_leader else None

    def campaign(self) -> None:
        """Open a new term and vote for oneself, which elects the only voter."""
        self._hard_state = HardState(self.term + 1, self.voter_id)
        self._leads = True
        self._opening_offset = self._append((NO_OP,))

    def propose(self, entries: Sequence[bytes]) -> int:
        """Append entries as one batch; return the last one's offset, which is not committed yet.

        Raises NotLeader. A proposal promises nothing until `committed_offset` has reached it.
        """
        if not self.is_leader:
            raise NotLeader
        return self._append(tuple(entries))

    def resign(self) -> None:
        """Stop leading and forget what was never persisted: a voter that cannot write steps down.

        The driver must have cut the log back to what it held before the failed write.
        """
        self._leads = False
        lost = len(self._to_persist)
        if self._in_flight is not None:
            lost += len(self._in_flight.batches)
        if lost:
            self._end_offset = self._uncommitted[-lost].base_offset
            del self._uncommitted[-lost:]
        self._to_persist = []
        self._in_flight = None
        self._hard_state = self._stored_hard_state

    def ready(self) -> Ready | None:
        """Return what is to be done now, or None. One Ready is out at a time: that groups syncs.

        A Ready either applies or persists, applying first, so that no answer waits for the sync
        of proposals that came after it.
        """
        if self._in_flight is not None:
            return None
        changed = self._hard_state is not self._stored_hard_state and (
            self._hard_state != self._stored_hard_state
        )
        if self._to_apply:
            self._in_flight = Ready(committed=tuple(self._to_apply))
            self._to_apply = []
        elif changed or self._to_persist:
            hard_state = self._hard_state if changed else None
            self._in_flight = Ready(hard_state, tuple(self._to_persist))
            self._to_persist = []
        return self._in_flight

    def advance(self, ready: Ready) -> None:
        """Take note that `ready` has been carried out, its batches synced."""
        assert ready is self._in_flight, "advance answers the one Ready that is out"
        self._in_flight = None
        if ready.hard_state is not None:
            self._stored_hard_state = ready.hard_state
        if ready.batches:
            self._commit_up_to(ready.batches[-1].last_offset)

    def _append(self, entries: tuple[bytes, ...]) -> int:
        assert entries, "a proposal has at least one entry"
        batch = EntryBatch(self._end_offset, self.term, entries)
        self._to_persist.append(batch)
        self._uncommitted.append(batch)
        self._end_offset = batch.last_offset + 1
        return batch.last_offset

    def _commit_up_to(self, offset: int) -> None:
        """Commit what is persisted: earlier terms' entries only behind one of the own term."""
        done = 0
        while done < len(self._uncommitted) and self._uncommitted[done].last_offset <= offset:
            done += 1
        self._to_apply += self._uncommitted[:done]
        del self._uncommitted[:done]
        self.committed_offset = offset
