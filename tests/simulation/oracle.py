"""What was ever committed of one partition, in order, and what of it stays."""

from bisect import bisect_right
from typing import NamedTuple

from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, BatchHeader, iter_batches
from data_plane.protocol.records.control import Marker, MarkerType, decode_marker
from data_plane.protocol.records.record import decode_records
from tests.simulation.invariants import Violation

NO_PRODUCER = -1
SEQUENCES = 1 << 31


class Batch(NamedTuple):
    """One batch; offsets, epoch and checksum tell one from any other at its place."""

    base_offset: int
    next_offset: int
    leader_epoch: int
    crc: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    is_transactional: bool
    is_control: bool
    content: bytes

    @property
    def marker(self) -> MarkerType | None:
        """Which end of a transaction a control batch is."""
        return None if self.control is None else self.control.type

    @property
    def control(self) -> Marker | None:
        """What a control batch holds, if it ends a transaction."""
        return decode_marker(decode_records(*self._split())[0])

    def _split(self) -> tuple[BatchHeader, memoryview]:
        ((_, header),) = iter_batches(self.content)
        return header, memoryview(self.content)[BATCH_HEADER_BYTES:]

    def records(self) -> dict[int, tuple[bytes | None, bytes | None]]:
        """Offset -> key and value."""
        return {
            self.base_offset + one.offset_delta: (one.key, one.value)
            for one in decode_records(*self._split())
        }

    @property
    def identity(self) -> tuple[int, int, int, int]:
        return self[:4]


class Oracle:
    """The committed batches of one partition; each new one is judged by those before it.

    Producers that keep the rules leave no gap and no repeat in their sequences, whichever
    incarnations of which brokers took their batches.
    """

    def __init__(self, *, is_compacted: bool = False) -> None:
        self.is_compacted = is_compacted
        self.batches: list[Batch] = []
        self.ends: list[int] = [0]
        self.leaders: dict[int, int] = {}  # leader epoch: who led in it
        self.deleted_to = 0  # the most that anybody has asked to delete
        # Transactions: producer -> bases of its batches without a marker; bases of aborted ones.
        self.open: dict[int, list[int]] = {}
        self.aborted: set[int] = set()
        self._next_sequence: dict[int, tuple[int, int]] = {}  # producer: (epoch, next sequence)

    @property
    def end(self) -> int:
        return self.ends[-1]

    def compare(self, found: list[Batch], who: str) -> None:
        """Raises Violation where a batch differs from what is known; takes up what is new."""
        for batch in found:
            if batch.base_offset < self.end:
                self.check(batch, who)
                continue
            if batch.base_offset != self.end:
                raise Violation(f"{who}: a gap before offset {batch.base_offset}")
            self._check_sequence(batch, who)
            self.batches.append(batch)
            self.ends.append(batch.next_offset)
            if batch.is_transactional:
                self._note_transaction(batch)

    @property
    def stable_end(self) -> int:
        """Below it every transaction is decided by a committed marker."""
        return min((bases[0] for bases in self.open.values()), default=self.end)

    def _note_transaction(self, batch: Batch) -> None:
        if not batch.is_control:
            self.open.setdefault(batch.producer_id, []).append(batch.base_offset)
            return
        bases = self.open.pop(batch.producer_id, [])
        if batch.marker is MarkerType.ABORT:
            self.aborted.update(bases)

    def check(self, batch: Batch, who: str) -> None:
        """The batch must be one of those committed."""
        if batch.base_offset >= self.end:
            raise Violation(f"{who}: offset {batch.base_offset} is not committed")
        known = self.at(batch.base_offset)
        if known.identity == batch.identity:
            if known.content != batch.content:
                raise Violation(f"{who}: {batch.identity} has other bytes than were committed")
            return
        if not self.is_compacted:
            raise Violation(f"{who}: {batch.identity} where {known.identity} was committed")
        for offset, record in batch.records().items():
            committed = self.at(offset).records().get(offset)
            if committed != record:
                raise Violation(f"{who}: {record} at {offset}, where {committed} was committed")

    def at(self, offset: int) -> Batch:
        """The committed batch that holds an offset."""
        return self.batches[bisect_right(self.ends, offset) - 1]

    def since(self, offset: int) -> list[Batch]:
        """The committed batches from the one that holds `offset` on."""
        return self.batches[max(0, bisect_right(self.ends, offset) - 1) :]

    def last_offsets(self) -> list[int]:
        """Where the last value of each key is; of one that was deleted nothing need stay."""
        last: dict[bytes | None, tuple[int, bytes | None]] = {}
        for batch in self.batches:
            if not batch.is_control and batch.base_offset not in self.aborted:
                for offset, (key, value) in batch.records().items():
                    last[key] = (offset, value)
        return [offset for offset, value in last.values() if value is not None]

    def _check_sequence(self, batch: Batch, who: str) -> None:
        if batch.producer_id == NO_PRODUCER or batch.is_control or batch.base_sequence < 0:
            return  # A coordinator's batch in a transaction has a producer and no sequence.
        epoch, expected = self._next_sequence.get(batch.producer_id, (-1, 0))
        if batch.producer_epoch != epoch:
            expected = 0
        if batch.producer_epoch < epoch or batch.base_sequence != expected:
            raise Violation(
                f"{who}: producer {batch.producer_id} wrote {batch.base_sequence} of epoch "
                f"{batch.producer_epoch} at {batch.base_offset}, expected {expected} of {epoch}"
            )
        count = batch.next_offset - batch.base_offset
        self._next_sequence[batch.producer_id] = (
            batch.producer_epoch,
            (expected + count) % SEQUENCES,
        )


def read_batches(log: PartitionLog, start: int, end: int) -> list[Batch]:
    """What a log holds from one batch boundary to another."""
    found: list[Batch] = []
    while start < end:
        part = log.read(start, bytes_max=1 << 20, offset_limit=end, at_least_one=True)
        batches = batches_of(part.read_bytes())
        if not batches and log.config.is_compacted:
            break  # Its last offsets were those of older values.
        if not batches:
            raise Violation(f"a log has nothing at {start}, below {end}")
        found += batches
        start = batches[-1].next_offset
    return found


def batches_of(records: bytes) -> list[Batch]:
    return [
        Batch(
            header.base_offset,
            header.next_offset,
            header.partition_leader_epoch,
            header.crc,
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.is_transactional,
            header.is_control,
            records[at : at + header.size_bytes],
        )
        for at, header in iter_batches(records)
    ]
