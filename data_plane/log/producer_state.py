"""What each idempotent producer last wrote to one partition: the last five batches and its epoch.

Rules (KIP-98, KIP-360; kafka-protocol.md 20-23): an exact repeat of one of the five gets its first
offset back; the next batch must follow the last one; a new epoch starts at sequence 0; a producer
that is unknown, or has expired, may start anywhere. Sequences wrap from 2^31-1 to 0.

Snapshot file, big-endian: magic `OTP1`, CRC-32C of the body, then per producer its id int64, epoch
int16, last seen int64 (Unix ms), count int8, and per batch of the window base sequence int32, last
sequence int32, base offset int64, last offset int64, append time int64 (ms, -1 under CreateTime).
Kafka's own snapshot keeps one batch, which forgets duplicates on restart.
"""

import struct
from typing import NamedTuple

import crc32c

from data_plane.protocol.errors import InvalidProducerEpoch, OutOfOrderSequence
from data_plane.protocol.records.batch import NO_PRODUCER_ID, BatchHeader

WINDOW_BATCHES = 5
SEQUENCE_MASK = 0x7FFF_FFFF

_MAGIC = b"OTP1"
_CRC = struct.Struct(">I")
_PRODUCER = struct.Struct(">qhqb")
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


class ProducerStates:
    """The producers of one partition by producer id."""

    __slots__ = ("_producers",)

    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}

    def __len__(self) -> int:
        return len(self._producers)

    def copy(self) -> "ProducerStates":
        twin = ProducerStates()
        twin._producers = dict(self._producers)
        return twin

    def get(self, producer_id: int) -> Producer | None:
        return self._producers.get(producer_id)

    def check(self, header: BatchHeader) -> WrittenBatch | None:
        """Return the batch that this one repeats, None if it is new and in order.

        Raises InvalidProducerEpoch (47) for an older epoch, OutOfOrderSequence (45) for a gap or a
        batch older than the window.
        """
        known = self._producers.get(header.producer_id)
        if known is None:
            return None
        if header.producer_epoch < known.producer_epoch:
            raise InvalidProducerEpoch(
                f"producer {header.producer_id} has epoch {known.producer_epoch},"
                f" the batch {header.producer_epoch}"
            )
        if header.producer_epoch > known.producer_epoch:
            expected = 0
        else:
            last_sequence = header.last_sequence
            for batch in known.batches:
                if batch[0] == header.base_sequence and batch[1] == last_sequence:
                    return batch
            expected = (known.batches[-1].last_sequence + 1) & SEQUENCE_MASK if known.batches else 0
        if header.base_sequence != expected:
            raise OutOfOrderSequence(
                f"producer {header.producer_id}: expected sequence {expected},"
                f" got {header.base_sequence}"
            )
        return None

    def note(
        self, header: BatchHeader, base_offset: int, *, append_time_ms: int, now_ms: int
    ) -> Producer | None:
        """Remember a batch that got `base_offset`; return what was known before, for `restore`."""
        before = self._producers.get(header.producer_id)
        is_same = before is not None and before.producer_epoch == header.producer_epoch
        window = before.batches if before is not None and is_same else ()
        if not header.is_control:  # A marker moves the epoch and has no sequence.
            batch = WrittenBatch(
                header.base_sequence,
                header.last_sequence,
                base_offset,
                base_offset + header.last_offset_delta,
                append_time_ms,
            )
            window = (*window[1 - WINDOW_BATCHES :], batch)
        self._producers[header.producer_id] = Producer(header.producer_epoch, window, now_ms)
        return before

    def replay(self, header: BatchHeader, now_ms: int) -> None:
        """Remember a batch found in the log."""
        if header.producer_id != NO_PRODUCER_ID:
            time_ms = header.max_timestamp if header.timestamp_type else -1
            self.note(header, header.base_offset, append_time_ms=time_ms, now_ms=now_ms)

    def restore(self, producer_id: int, before: Producer | None) -> None:
        """Undo a `note`; several are undone last first."""
        if before is None:
            del self._producers[producer_id]
        else:
            self._producers[producer_id] = before

    def remove_expired(self, now_ms: int, expiration_ms: int) -> None:
        """Forget the producers not heard from for `expiration_ms`."""
        old = [i for i, p in self._producers.items() if now_ms - p.seen_ms >= expiration_ms]
        for producer_id in old:
            del self._producers[producer_id]

    def encode(self) -> bytes:
        """Return the content of a snapshot file."""
        parts: list[bytes] = []
        for producer_id, known in self._producers.items():
            parts.append(
                _PRODUCER.pack(producer_id, known.producer_epoch, known.seen_ms, len(known.batches))
            )
            parts += (_BATCH.pack(*batch) for batch in known.batches)
        body = b"".join(parts)
        return _MAGIC + _CRC.pack(crc32c.crc32c(body)) + body


def decode_producer_states(content: bytes) -> ProducerStates:
    """Read a snapshot file. Raises ValueError if it is cut, damaged or not one."""
    body = content[8:]
    if content[:8] != _MAGIC + _CRC.pack(crc32c.crc32c(body)):
        raise ValueError("not a whole producer snapshot")
    states = ProducerStates()
    at = 0
    while at < len(body):
        producer_id, epoch, seen_ms, count = _PRODUCER.unpack_from(body, at)
        at += _PRODUCER.size
        end = at + count * _BATCH.size
        batches = tuple(map(WrittenBatch._make, _BATCH.iter_unpack(body[at:end])))
        states._producers[producer_id] = Producer(epoch, batches, seen_ms)
        at = end
    return states
