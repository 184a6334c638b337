"""What the quorum agrees on: bytes in batches, under a term. It knows nothing of their meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:  # Both carry batches; at run time a Ready only hands them through.
    from data_plane.raft.messages import Message
    from data_plane.raft.snapshot import Snapshot

NO_DIRECTORY: Final = UUID(int=0)  # of a quorum that has one voter and never had another
NO_OP: Final = b""  # The entry that opens a leader's term (Raft 5.4.2).
CONTROL_MARK: Final = 0xFF  # First byte of the quorum's own entries; no record begins with it.


def is_control(entry: bytes) -> bool:
    """True for entries that are the quorum's own and that the state machine skips."""
    return not entry or entry[0] == CONTROL_MARK


@dataclass(frozen=True, slots=True)
class HardState:
    """What a voter must remember over a crash before it speaks: its term and whom it voted for.

    voted_directory: of the voter it chose, since an id with a new directory is another voter.
    """

    term: int = 0
    voted_for: int | None = None
    voted_directory: UUID = NO_DIRECTORY


@dataclass(frozen=True, slots=True)
class EntryBatch:
    """One proposal: entries that are committed and applied together or not at all.

    Entry i is at offset `base_offset + i`; there is at least one.
    """

    base_offset: int
    term: int
    entries: tuple[bytes, ...]

    @property
    def last_offset(self) -> int:
        return self.base_offset + len(self.entries) - 1


@dataclass(frozen=True, slots=True)
class Ready:
    """What the driver must do: persist the first three, or send and apply the last two.

    hard_state: to be stored, or None if it has not changed.
    batches: to be appended to the log and synced. A first offset that the log already has replaces
    everything from there on.
    snapshot: to be stored, and the log emptied; applying it replaces the whole state.
    messages: may leave at once; what they promise has been persisted by an earlier Ready.
    committed: to be applied, in order; each batch once.
    """

    hard_state: HardState | None = None
    batches: Sequence[EntryBatch] = ()
    snapshot: "Snapshot | None" = None
    messages: "Sequence[Message]" = ()
    committed: Sequence[EntryBatch] = ()

    @property
    def must_persist(self) -> bool:
        return self.hard_state is not None or bool(self.batches) or self.snapshot is not None
