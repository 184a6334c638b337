"""Log matching (Raft 5.3), of partitions and of the metadata: one offset and epoch has one batch.

Not only below the high watermark: what two replicas hold at the same offset of the same leader
epoch has the same bytes, and the same batch before it, whether it is ever committed or not. By
induction so has all that is before. A replica that breaks this looks well until it leads.
"""

from struct import Struct
from typing import NamedTuple
from uuid import UUID

from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.log.segment import Segment
from data_plane.raft.entries import EntryBatch
from data_plane.raft.memory_log import Mark, MemoryLog
from data_plane.raft.voters import VoterKey
from tests.simulation.invariants import Violation
from tests.simulation.oracle import batches_of

Partition = tuple[UUID, int]  # topic id, index
Name = tuple[int, int]  # of a batch: its base offset and its leader epoch

HEAD = Struct(">qii")  # base offset, size of what follows those twelve bytes, leader epoch
UNCOUNTED_BYTES = 12


class Held(NamedTuple):
    """A batch and the one before it; None: not known, as of the first of a log."""

    content: bytes
    before: Name | None


class Seen:
    """How far one log was looked at: to which byte of which segment, and the batch that ends there.

    generation, size_bytes: of the log as of that look; a cut makes another generation.
    """

    __slots__ = ("before", "generation", "position", "segment", "size_bytes")

    def __init__(self) -> None:
        self.forget(-1)

    def forget(self, generation: int) -> None:
        """All of the log is new again."""
        self.generation = generation
        self.segment: Segment | None = None
        self.position = self.size_bytes = 0
        self.before: Name | None = None

    def is_all_of(self, log: PartitionLog) -> bool:
        return self.size_bytes == log.size_bytes and self.generation == generation_of(log)


class LogMatching:
    """What any replica of any partition has ever held."""

    def __init__(self) -> None:
        self.compared = 0  # batches that somebody had held before
        self.above = 0  # of these, how many were not committed then
        self._held: dict[Partition, dict[Name, Held]] = {}

    def look(
        self, log: PartitionLog, seen: Seen, files: MemoryFiles, of: Partition, committed: int
    ) -> None:
        """Compare what is new in a log; all of one that was opened, cut or compacted is.

        committed: where that ends. Raises Violation.
        """
        segments = log.segments
        if seen.generation != generation_of(log) or seen.segment not in segments:
            seen.forget(generation_of(log))
        seen.size_bytes = log.size_bytes
        first = 0 if seen.segment is None else segments.index(seen.segment)
        for segment in segments[first:]:
            if segment is not seen.segment:
                seen.segment, seen.position = segment, 0
            if segment.size_bytes > seen.position:
                content = files.open(segment.log_path).content
                new = bytes(content[seen.position : segment.size_bytes])
                seen.position = segment.size_bytes
                self._compare(new, seen, of, committed, is_compacted=log.config.is_compacted)

    def _compare(
        self, new: bytes, seen: Seen, of: Partition, committed: int, *, is_compacted: bool
    ) -> None:
        known = self._held.setdefault(of, {})
        at = 0
        while at < len(new):
            base, size, epoch = HEAD.unpack_from(new, at)
            end = at + size + UNCOUNTED_BYTES
            found = Held(new[at:end], None if is_compacted else seen.before)
            name = seen.before = (base, epoch)
            at = end
            before = known.setdefault(name, found)
            if before is found:
                continue
            self.compared += 1
            self.above += base >= committed
            if before != found:
                _check_differing(name, before, found, is_compacted=is_compacted)
                if before.before is None and found.before is not None:
                    known[name] = found


def _check_differing(name: Name, known: Held, found: Held, *, is_compacted: bool) -> None:
    """Raise Violation unless only a compaction, or a log's beginning, is what makes them differ."""
    where = f"log matching: offset {name[0]} of epoch {name[1]}"
    if None not in (known.before, found.before) and known.before != found.before:
        raise Violation(f"{where} is behind {known.before} and behind {found.before}")
    if known.content == found.content:
        return
    if not (is_compacted and _records(found).items() <= _records(known).items()):
        raise Violation(f"{where} has other bytes than another replica had there")


def _records(held: Held) -> dict[int, tuple[bytes | None, bytes | None]]:
    return {at: row for batch in batches_of(held.content) for at, row in batch.records().items()}


def generation_of(log: PartitionLog) -> int:
    return log._sync._generation


class TermMatching:
    """The same of the metadata: what any node of the quorum has ever held in its log."""

    def __init__(self) -> None:
        self.compared = 0
        self._held: dict[tuple[int, int], tuple[EntryBatch, Mark]] = {}  # by base offset and term
        self._looked: dict[VoterKey, Mark] = {}  # to where each node's log was looked at

    def look(self, node: VoterKey, log: MemoryLog) -> None:
        """Compare what is new in a node's log. Raises Violation."""
        last, looked = log.last, self._looked.get(node, Mark())
        if last == looked:
            return
        self._looked[node] = last
        is_there = looked.offset > log.mark.offset and (
            log.term_ending_at(looked.offset) == looked.term
        )
        before = looked if is_there else log.mark
        for batch in log.between(before.offset + 1, log.end_offset):
            name, found = (batch.base_offset, batch.term), (batch, before)
            known = self._held.setdefault(name, found)
            self.compared += known is not found
            if known != found:
                raise Violation(f"log matching: metadata at {name} of broker {node.id} differs")
            before = Mark(batch.last_offset, batch.term)
