"""What the quorum agrees on: bytes in batches, under a term. It knows nothing of their meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

NO_OP = b""  # The entry that opens a leader's term (Raft 5.4.2); the state machine skips it.


@dataclass(frozen=True, slots=True)
class HardState:
    """What a voter must remember over a crash before it speaks: its term and whom it voted for."""

    term: int = 0
    voted_for: int | None = None


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
    """What the driver must do: persist the first two, or apply the last.

    hard_state: to be stored, or None if it has not changed.
    batches: to be appended to the log and synced before anybody hears of them.
    committed: to be applied, in order; each batch once.
    """

    hard_state: HardState | None = None
    batches: Sequence[EntryBatch] = ()
    committed: Sequence[EntryBatch] = ()

    @property
    def must_persist(self) -> bool:
        return self.hard_state is not None or bool(self.batches)
