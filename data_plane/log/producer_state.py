"""What each producer last wrote to one partition: five batches, its epoch, its open transaction.

Rules (KIP-98, KIP-360; kafka-protocol.md 20-23): an exact repeat of one of the five gets its first
offset back; the next batch must follow the last one; a new epoch starts at sequence 0; a producer
that is unknown, or has expired, may start anywhere, and so may one of whom the log has nothing but
markers: what it wrote before them is deleted, and a replica that began behind that never saw it
(Kafka refuses that producer for good). Nobody may at the start of a transaction whose epoch is its
own (KIP-890): nothing can be missing there, so the first batch has gone astray and will be sent
again. In an empty log anybody may: a topic that was deleted and made anew is empty as well, and
librdkafka ends a producer for good that is told of a gap in front of its oldest batch. Sequences
wrap from 2^31-1 to 0.

A transaction is open on a partition from its first batch to its marker. Both its records and those
of a transaction whose marker is not below the high watermark yet are unstable: the last stable
offset stands before them (kafka-protocol.md 69). A producer with an open transaction never expires.

Snapshot file, big-endian: magic `OTP2`, CRC-32C of the body, then per producer its id int64, epoch
int16, last seen int64 (Unix ms), first offset of its open transaction int64 (-1: none, -2: none,
and only markers are known; software that does not know -2 takes it for -1), epoch of
the coordinator that wrote its last marker int32 (-1: none yet), count int8, and per batch of the
window base sequence int32, last sequence int32, base offset int64, last offset int64, append time
int64 (ms, -1 under CreateTime). Where markers are not known to be below the high watermark the
magic is `OTP3`, and the body begins with their count int32 and for each the first offset of its
transaction and its own offset, int64 both.
Kafka's own snapshot keeps one batch, which forgets duplicates on restart, and no such markers.
"""

import struct
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import crc32c

from data_plane.log.txn_index import AbortedTransaction
from data_plane.protocol.errors import (
    InvalidProducerEpoch,
    InvalidTxnState,
    OutOfOrderSequence,
    TransactionCoordinatorFenced,
)
from data_plane.protocol.records.batch import NO_PRODUCER_ID, BatchHeader
from data_plane.protocol.records.control import Marker, MarkerType

WINDOW_BATCHES = 5
SEQUENCE_MASK = 0x7FFF_FFFF
NO_OFFSET = -1
ONLY_MARKERS = -2  # in the place of the first offset: none, and nothing but markers is known
NO_COORDINATOR = -1

_MAGIC = b"OTP2"
_MAGIC_WITH_ENDED = b"OTP3"
_CRC = struct.Struct(">I")
_COUNT = struct.Struct(">i")
_ENDED = struct.Struct(">qq")
_PRODUCER = struct.Struct(">qhqqib")
_BATCH = struct.Struct(">iiqqq")


class WrittenBatch(NamedTuple):
    """One remembered batch; append_time_ms is -1 unless the topic uses LogAppendTime."""

    base_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    append_time_ms: int


class Producer(NamedTuple):
    """One producer id; immutable, so that a rollback is putting an old one back."""

    producer_epoch: int
    batches: tuple[WrittenBatch, ...]  # oldest first
    seen_ms: int  # when we last heard from it, by our clock: records may carry any timestamp
    txn_first_offset: int = NO_OFFSET  # of its open transaction; ONLY_MARKERS: it has none
    coordinator_epoch: int = NO_COORDINATOR  # of the coordinator that wrote its last marker


class EndedTransaction(NamedTuple):
    """A transaction whose marker was given an offset; aborted: what the index keeps of it."""

    first_offset: int
    last_offset: int  # the marker's
    aborted: AbortedTransaction | None  # of one that a snapshot told of, the index knows already


class ProducerStates:
    """The producers of one partition by producer id."""

    __slots__ = ("_ended", "_open", "_producers")

    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}
        self._open: dict[int, int] = {}  # producer id -> first offset of its open transaction
        self._ended: deque[EndedTransaction] = deque()  # the high watermark is not behind them yet

    def __len__(self) -> int:
        return len(self._producers)

    def copy(self) -> "ProducerStates":
        twin = ProducerStates()
        twin._producers = dict(self._producers)
        twin._open = dict(self._open)
        twin._ended = self._ended.copy()
        return twin

    def get(self, producer_id: int) -> Producer | None:
        return self._producers.get(producer_id)

    def items(self) -> Iterable[tuple[int, Producer]]:
        return self._producers.items()

    # Transactions.

    @property
    def open_transactions(self) -> Mapping[int, int]:
        """Producer id -> first offset of its open transaction."""
        return self._open

    @property
    def first_unstable_offset(self) -> int | None:
        """The first offset of a transaction that is not decided for good, None without one."""
        if not self._open and not self._ended:
            return None
        return min([*self._open.values(), *(ended.first_offset for ended in self._ended)])

    def is_in_transaction(self, producer_id: int, producer_epoch: int) -> bool:
        """Has this producer, at this epoch, an open transaction here?"""
        known = self._producers.get(producer_id)
        return (
            known is not None
            and known.txn_first_offset >= 0
            and known.producer_epoch == producer_epoch
        )

    def check_marker(
        self,
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        *,
        is_bumping: bool = False,
    ) -> None:
        """Raise unless a marker may be written: InvalidProducerEpoch for an older producer epoch,
        TransactionCoordinatorFenced (52) for an older coordinator.

        is_bumping: its epoch is above that of the transaction which it ends, so it cannot mean one
        that is open at the same epoch: it is a late copy of the marker before (KIP-1228).
        """
        known = self._producers.get(producer_id)
        if known is None:
            return
        is_late = is_bumping and self.is_in_transaction(producer_id, producer_epoch)
        if producer_epoch < known.producer_epoch or is_late:
            raise InvalidProducerEpoch(
                f"producer {producer_id} has epoch {known.producer_epoch},"
                f" the marker {producer_epoch}"
            )
        if coordinator_epoch < known.coordinator_epoch:
            raise TransactionCoordinatorFenced(
                f"coordinator epoch {coordinator_epoch} is older than {known.coordinator_epoch}"
            )

    def forget_decided(self, high_watermark: int) -> None:
        """The high watermark has moved: markers below it are there to stay."""
        while self._ended and self._ended[0].last_offset < high_watermark:
            self._ended.popleft()

    def aborted_in(self, start: int, end: int) -> list[AbortedTransaction]:
        """What markers at [start, end) have aborted."""
        return [
            ended.aborted
            for ended in self._ended
            if ended.aborted is not None and start <= ended.last_offset < end
        ]

    def forget_ended_from(self, offset: int) -> None:
        """Markers at and behind an offset are gone; their transactions are not ended."""
        while self._ended and self._ended[-1].last_offset >= offset:
            self._ended.pop()

    def keep_undecided_of(self, other: "ProducerStates") -> None:
        """After a reload, go on waiting for the markers that were not below the high watermark."""
        self._ended = other._ended

    def _end(self, header: BatchHeader, base_offset: int, marker: Marker) -> None:
        first_offset = self._open.pop(header.producer_id, None)
        if first_offset is None:
            return  # A marker may come twice, or where the producer had written nothing.
        aborted = None
        if marker.type is MarkerType.ABORT:
            stable = min([base_offset + 1, *self._open.values()])
            aborted = AbortedTransaction(header.producer_id, first_offset, base_offset, stable)
        self._ended.append(EndedTransaction(first_offset, base_offset, aborted))

    # Batches.

    def check(self, header: BatchHeader, *, is_first: bool = False) -> WrittenBatch | None:
        """Return the batch that this one repeats, None if it is new and in order.

        is_first: if nothing is known of the producer here, it cannot have written anything.
        Raises InvalidProducerEpoch (47) for an older epoch, OutOfOrderSequence (45) for a gap or a
        batch older than the window, InvalidTxnState (48) for one outside the open transaction.
        """
        known = self._producers.get(header.producer_id)
        if known is None:
            if is_first and header.base_sequence > 0:
                raise out_of_order(header, 0)
            return None
        if header.producer_epoch < known.producer_epoch:
            raise InvalidProducerEpoch(
                f"producer {header.producer_id} has epoch {known.producer_epoch},"
                f" the batch {header.producer_epoch}"
            )
        if header.producer_epoch > known.producer_epoch:
            expected = 0
        elif known.txn_first_offset == ONLY_MARKERS and not is_first:
            return None
        else:
            last_sequence = header.last_sequence
            for batch in known.batches:
                if batch[0] == header.base_sequence and batch[1] == last_sequence:
                    return batch
            expected = (known.batches[-1].last_sequence + 1) & SEQUENCE_MASK if known.batches else 0
        if header.base_sequence != expected:
            raise out_of_order(header, expected)
        if known.txn_first_offset >= 0 and not header.is_transactional:
            raise InvalidTxnState(
                f"producer {header.producer_id} has an open transaction, the batch is outside of it"
            )
        return None

    def note(
        self,
        header: BatchHeader,
        base_offset: int,
        *,
        append_time_ms: int,
        now_ms: int,
        marker: Marker | None = None,
    ) -> Producer | None:
        """Remember a batch that got `base_offset`; return what was known before, for `restore`.

        marker: what a control batch holds.
        """
        producer_id = header.producer_id
        before = self._producers.get(producer_id)
        is_same = before is not None and before.producer_epoch == header.producer_epoch
        window = before.batches if before is not None and is_same else ()
        first_offset, coordinator_epoch = NO_OFFSET, NO_COORDINATOR
        if before is not None:
            first_offset, coordinator_epoch = before.txn_first_offset, before.coordinator_epoch
        if marker is not None:
            self._end(header, base_offset, marker)
            is_new = before is None or before.txn_first_offset == ONLY_MARKERS
            first_offset = ONLY_MARKERS if is_new else NO_OFFSET
            coordinator_epoch = marker.coordinator_epoch
        elif not header.is_control:  # A marker moves the epoch and has no sequence.
            if header.base_sequence >= 0:  # Nor have a coordinator's batches one.
                batch = WrittenBatch(
                    header.base_sequence,
                    header.last_sequence,
                    base_offset,
                    base_offset + header.last_offset_delta,
                    append_time_ms,
                )
                window = (*window[1 - WINDOW_BATCHES :], batch)
            first_offset = max(first_offset, NO_OFFSET)
            if first_offset < 0 and header.is_transactional:
                self._open[producer_id] = first_offset = base_offset
        self._producers[producer_id] = Producer(
            header.producer_epoch, window, now_ms, first_offset, coordinator_epoch
        )
        return before

    def replay(
        self, header: BatchHeader, now_ms: int, marker: Marker | None
    ) -> EndedTransaction | None:
        """Remember a batch found in the log; return the transaction that its marker ended."""
        if header.producer_id == NO_PRODUCER_ID:
            return None
        count = len(self._ended)
        time_ms = header.max_timestamp if header.timestamp_type else -1
        self.note(header, header.base_offset, append_time_ms=time_ms, now_ms=now_ms, marker=marker)
        return self._ended[-1] if len(self._ended) > count else None

    def restore(self, producer_id: int, before: Producer | None) -> None:
        """Undo a `note`; several are undone last first. Markers: also `forget_ended_from`."""
        if before is None:
            del self._producers[producer_id]
        else:
            self._producers[producer_id] = before
        if before is None or before.txn_first_offset < 0:
            self._open.pop(producer_id, None)
        else:
            self._open[producer_id] = before.txn_first_offset

    def remove_expired(self, now_ms: int, expiration_ms: int) -> None:
        """Forget the producers not heard from for `expiration_ms`."""
        old = [
            producer_id
            for producer_id, known in self._producers.items()
            if now_ms - known.seen_ms >= expiration_ms and known.txn_first_offset < 0
        ]
        for producer_id in old:
            del self._producers[producer_id]

    def encode(self) -> bytes:
        """Return the content of a snapshot file."""
        parts: list[bytes] = []
        for producer_id, known in self._producers.items():
            parts.append(
                _PRODUCER.pack(
                    producer_id,
                    known.producer_epoch,
                    known.seen_ms,
                    known.txn_first_offset,
                    known.coordinator_epoch,
                    len(known.batches),
                )
            )
            parts += (_BATCH.pack(*batch) for batch in known.batches)
        magic = _MAGIC_WITH_ENDED if self._ended else _MAGIC
        body = b"".join([*self._encoded_ended(), *parts])
        return magic + _CRC.pack(crc32c.crc32c(body)) + body

    def _encoded_ended(self) -> Iterable[bytes]:
        if self._ended:
            yield _COUNT.pack(len(self._ended))
            for one in self._ended:
                yield _ENDED.pack(one.first_offset, one.last_offset)


def out_of_order(header: BatchHeader, expected: int) -> OutOfOrderSequence:
    return OutOfOrderSequence(
        f"producer {header.producer_id}: expected sequence {expected}, got {header.base_sequence}"
    )


def decode_producer_states(content: bytes) -> ProducerStates:
    """Read a snapshot file. Raises ValueError if it is cut, damaged or not one."""
    magic, body = content[:4], content[8:]
    is_known = magic in (_MAGIC, _MAGIC_WITH_ENDED)
    if not is_known or content[4:8] != _CRC.pack(crc32c.crc32c(body)):
        raise ValueError("not a whole producer snapshot")
    states = ProducerStates()
    at = 0
    if magic == _MAGIC_WITH_ENDED:
        (count,) = _COUNT.unpack_from(body)
        at = _COUNT.size + count * _ENDED.size
        pairs = _ENDED.iter_unpack(body[_COUNT.size : at])
        states._ended.extend(EndedTransaction(first, last, None) for first, last in pairs)
    while at < len(body):
        producer_id, epoch, seen_ms, first, coordinator, count = _PRODUCER.unpack_from(body, at)
        at += _PRODUCER.size
        end = at + count * _BATCH.size
        batches = tuple(map(WrittenBatch._make, _BATCH.iter_unpack(body[at:end])))
        states._producers[producer_id] = Producer(epoch, batches, seen_ms, first, coordinator)
        if first >= 0:
            states._open[producer_id] = first
        at = end
    return states
