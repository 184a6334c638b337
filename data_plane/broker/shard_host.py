"""Drives one coordinator shard: load, decide, append, replay, answer when committed."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from data_plane.coordinator.shard import Replies, Shard
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import NotCoordinator
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, iter_batches
from data_plane.protocol.records.record import Record, decode_records, encode_batch
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Committed, OffsetWaiters, Parked

S = TypeVar("S", bound=Shard)
R = TypeVar("R")

LOAD_STEP_BYTES = (
    256 * 1024
)  # about 5 ms of replay: no callback may hold the loop (durability.md 5)


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
        self._pending: list[tuple[bytes, bytes | None]] = []
        self._waiting = OffsetWaiters()
        self.has_lost_records = False  # what it replayed did not reach the log: it must go
        self._load_offset = partition.log.log_start_offset

    @property
    def end_offset(self) -> int:
        """The shard's log end, the records of this turn included."""
        return self.partition.log.log_end_offset + len(self._pending)

    def load_step(self, now_ms: int) -> bool:
        """Replay a slice of the log; True when the shard serves.

        To the log's end and not only to the high watermark: what is not committed yet will be, and
        a shard that had not replayed it would decide without it.
        """
        kept = self.partition.log
        if self._load_offset < kept.log_end_offset:
            part = kept.read(
                self._load_offset,
                bytes_max=LOAD_STEP_BYTES,
                offset_limit=kept.log_end_offset,
                at_least_one=True,
            )
            self._replay_batches(memoryview(part.read_bytes()))
            return False
        self.shard.finish_load(now_ms)
        return True

    def commit(self, decision: Decision[R]) -> R | Parked:
        """Append and replay; the response and the replies leave once all of it is committed."""
        for record in decision.records:
            self._pending.append(self.shard.encode(record))
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
        parked = Parked()
        self._when_committed(
            end, lambda is_kept: complete(parked, response if is_kept else NotCoordinator())
        )
        return parked

    def flush(self, now_ms: int) -> None:
        """Append the turn's records as one batch. Raises KafkaError: then `fail` must follow."""
        if not self._pending:
            return
        records = [Record(at, 0, key, value, ()) for at, (key, value) in enumerate(self._pending)]
        batch = bytearray(encode_batch(records, base_timestamp_ms=now_ms))
        staged = self.partition.append(memoryview(batch), now_ms=now_ms, is_client=False)
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

    def _replay_batches(self, view: memoryview) -> None:
        for at, header in iter_batches(view):
            self._load_offset = header.next_offset
            if header.is_control:
                continue
            payload = view[at + BATCH_HEADER_BYTES : at + header.size_bytes]
            for record in decode_records(header, payload):
                self.shard.replay_bytes(record.key, record.value)


def send_replies(replies: Replies | Sequence[tuple[object, object]], is_kept: bool) -> None:
    """Answer parked requests; what was not kept is answered by an error clients retry on."""
    for token, response in replies:
        assert isinstance(token, Parked), "shards park with replication/waiting.py"
        token.complete(response if is_kept else NotCoordinator())


def complete(parked: Parked, response: object) -> None:
    parked.complete(response)
