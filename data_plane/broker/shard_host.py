"""Drives one coordinator shard: load, decide, append, replay, answer when committed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Generic, NamedTuple, TypeVar

from data_plane.coordinator.shard import InTransaction, Replies, Shard, TransactionEnded
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.log.txn_rebuild import marker_of
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import CoordinatorNotAvailable, NotCoordinator
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, BatchHeader, iter_batches
from data_plane.protocol.records.control import Marker, encode_marker
from data_plane.protocol.records.record import Record, encode_batch, iter_records
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Committed, OffsetWaiters, Parked

S = TypeVar("S", bound=Shard)
R = TypeVar("R")

LOAD_READ_BYTES = 64 * 1024
# Replaying one takes 10 us or so: no callback may hold the loop for 5 ms (durability.md 5).
LOAD_STEP_RECORDS = 300


NO_PRODUCER = ProducerIdAndEpoch(-1, -1)


class Entry(NamedTuple):
    """One record on its way to the log; a marker has neither key nor value."""

    key: bytes | None
    value: bytes | None
    producer: ProducerIdAndEpoch = NO_PRODUCER  # in whose transaction
    marker: Marker | None = None


class ShardHost(Generic[S]):
    """One shard and the partition its records live in; the four promises of coordinator/shard.py.

    mark_dirty: called when records wait for `flush` at the end of the turn.
    """

    def __init__(
        self, shard: S, partition: Partition, mark_dirty: Callable[["ShardHost[S]"], None]
    ) -> None:
        self.shard = shard
        self.partition = partition
        self._mark_dirty = mark_dirty
        self._pending: list[Entry] = []
        self._waiting = OffsetWaiters()
        self.has_lost_records = False  # what it replayed did not reach the log: it must go
        self._load_offset = partition.log.log_start_offset
        self._loading = self._load()

    @property
    def end_offset(self) -> int:
        """The shard's log end, the records of this turn included."""
        return self.partition.log.log_end_offset + len(self._pending)

    @property
    def has_nothing_to_load(self) -> bool:
        return self._load_offset >= self.partition.log.log_end_offset

    def load_step(self, now_ms: int) -> bool:
        """Replay a slice of the log; True when the shard serves.

        To the log's end and not only to the high watermark: what is not committed yet will be, and
        a shard that had not replayed it would decide without it.
        """
        if sum(1 for _ in islice(self._loading, LOAD_STEP_RECORDS)) == LOAD_STEP_RECORDS:
            return False
        self.shard.finish_load(now_ms)
        return True

    def _load(self) -> Iterator[None]:
        """Replay the log; a step for each record."""
        kept = self.partition.log
        while not self.has_nothing_to_load:
            part = kept.read(
                self._load_offset,
                bytes_max=LOAD_READ_BYTES,
                offset_limit=kept.log_end_offset,
                at_least_one=True,
            )
            if not part.size_bytes:
                self._load_offset = kept.log_end_offset  # The last records were compacted away.
            view = memoryview(part.read_bytes())
            for at, header in iter_batches(view):
                yield from self._replay_batch(view[at : at + header.size_bytes], header)
                self._load_offset = header.next_offset

    def commit(self, decision: Decision[R], until_ms: int | None = None) -> R | Parked:
        """Append and replay; the response and the replies leave once all of it is committed.

        until_ms: where too few replicas are in sync that may be never, so the asker is told
        CoordinatorNotAvailable then, and may ask again; what was appended stays. If they are too
        few already, nothing is appended and the asker is told so at once, as Kafka does for
        NOT_ENOUGH_REPLICAS.
        """
        if until_ms is not None and self.is_refused(decision):
            refused = Parked()
            refused.complete(CoordinatorNotAvailable())
            return refused
        for record in decision.records:
            self._pending.append(self._entry(record))
            self.shard.replay(record)
        if self._pending:
            self._mark_dirty(self)
        end = self.end_offset
        if decision.replies:
            replies = decision.replies
            self._when_committed(end, lambda is_kept: send_replies(replies, is_kept))
        response = decision.response
        if isinstance(response, Parked) or response is None or self._is_committed(end):
            return response
        parked = Parked(until_ms, CoordinatorNotAvailable)
        self._when_committed(
            end, lambda is_kept: complete(parked, response if is_kept else NotCoordinator())
        )
        return parked

    def is_refused(self, decision: Decision[R]) -> bool:
        """Too few replicas are in sync for what somebody waits for.

        Joins and syncs have answers for others as well, or none yet, and a member that leaves or
        takes its group to the other protocol has changed the shard: those wait for their time.
        """
        is_simple = not decision.replies and not isinstance(decision.response, Parked | None)
        may_refuse = is_simple and not decision.is_begun
        return bool(decision.records and may_refuse and not self.partition.has_enough_replicas)

    def _entry(self, record: object) -> Entry:
        match record:
            case TransactionEnded(producer, marker):
                return Entry(None, None, producer, marker)
            case InTransaction(producer):
                return Entry(*self.shard.encode(record), producer)
            case _:
                return Entry(*self.shard.encode(record))

    def when_committed(self, callback: Committed) -> None:
        """Call back True once all records so far are committed, False if they never will be."""
        self._when_committed(self.end_offset, callback)

    def flush(self, now_ms: int) -> None:
        """Append the turn's records: one batch, or more where transactions come between.

        Raises KafkaError: then `fail` must follow.
        """
        if not self._pending:
            return
        batches = b"".join(encode_entries(self._pending, now_ms))
        staged = self.partition.append(
            memoryview(bytearray(batches)), now_ms=now_ms, is_client=False
        )
        self._pending.clear()
        self.partition.when_written(staged.last_offset + 1, self._written)

    def fail(self) -> None:
        """The append failed or leadership went: close the shard, it is not used afterwards."""
        self._pending.clear()
        self._waiting.fail()
        send_replies(self.shard.close(), is_kept=True)

    def _written(self, is_kept: bool) -> None:
        self.has_lost_records |= not is_kept

    def _is_committed(self, end: int) -> bool:
        return self.partition.high_watermark >= end and not self.partition.is_gone

    def _when_committed(self, end: int, callback: Committed) -> None:
        """Through a list of our own, so that `fail` can tell at once those who wait in vain."""
        self._waiting.add(end, callback)
        self.partition.when_committed(end, self._progressed)

    def _progressed(self, is_kept: bool) -> None:
        if is_kept:
            self._waiting.advance(self.partition.high_watermark)
        else:
            self._waiting.fail()

    def _replay_batch(self, batch: memoryview, header: BatchHeader) -> Iterator[None]:
        who = ProducerIdAndEpoch(header.producer_id, header.producer_epoch)
        if header.is_control:
            marker = marker_of(batch, header)
            if marker is not None:
                self.shard.replay(TransactionEnded(who, marker))
            yield
            return
        producer = who if header.is_transactional else None
        for record in iter_records(header, batch[BATCH_HEADER_BYTES:]):
            self.shard.replay_bytes(record.key, record.value, producer)
            yield


def encode_entries(entries: Iterable[Entry], now_ms: int) -> Iterable[bytes]:
    """Batches in the order of the entries; a transaction's records and markers have their own."""
    for (producer, marker), run in groupby(entries, lambda entry: (entry.producer, entry.marker)):
        if marker is not None:
            for _ in run:
                yield encode_marker(
                    marker,
                    producer_id=producer.producer_id,
                    producer_epoch=producer.producer_epoch,
                    timestamp_ms=now_ms,
                )
            continue
        yield encode_batch(
            [Record(at, 0, entry.key, entry.value, ()) for at, entry in enumerate(run)],
            base_timestamp_ms=now_ms,
            producer_id=producer.producer_id,
            producer_epoch=producer.producer_epoch,
            is_transactional=producer != NO_PRODUCER,
        )


def send_replies(replies: Replies | Sequence[tuple[object, object]], is_kept: bool) -> None:
    """Answer parked requests; what was not kept is answered by an error clients retry on."""
    for token, response in replies:
        assert isinstance(token, Parked), "shards park with replication/waiting.py"
        token.complete(response if is_kept else NotCoordinator())


def complete(parked: Parked, response: object) -> None:
    parked.complete(response)
