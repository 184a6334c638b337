"""The transaction shards this broker leads, and the markers that carry their decisions out.

Once a PrepareX record is committed each partition of the transaction gets its marker; when the last
one is committed the shard writes CompleteX. What fails is tried again until it succeeds, also by
whoever loads the shard next.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from data_plane.broker.marker_writer import MarkerWriter
from data_plane.broker.shard_host import ShardHost, complete
from data_plane.broker.shard_table import OnDamage, OpenPartition, ShardTable
from data_plane.coordinator.transaction import (
    PREPARED,
    ProducerIdAndEpoch,
    TopicPartition,
    Transaction,
    TransactionState,
)
from data_plane.coordinator.transaction_config import TransactionConfig
from data_plane.coordinator.transactions_shard import TransactionsShard
from data_plane.coordinator.transactions_topic import TRANSACTIONS_TOPIC
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.records.control import Marker, MarkerType
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked

R = TypeVar("R")
Host = ShardHost[TransactionsShard]

WAITING_MAX = 64  # writes of the next transaction, per transactional id
RETRY_MS = 100  # after a marker, or a whole shard, failed
# There is nothing left to tell a partition that is gone, or that has seen a newer epoch.
SETTLED = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INVALID_PRODUCER_EPOCH)

log = logging.getLogger(__name__)


class EndingTransaction:
    """One PrepareX record on its way to CompleteX."""

    def __init__(self, host: Host, prepared: Transaction) -> None:
        self.host = host
        self.prepared = prepared
        self.missing = set(prepared.partitions)  # without a committed marker
        kind = MarkerType.COMMIT if prepared.is_commit else MarkerType.ABORT
        self.marker = Marker(kind, host.partition.leader_epoch, prepared.version)
        self.producer = ProducerIdAndEpoch(prepared.producer_id, prepared.producer_epoch)


class TransactionCoordinators(ShardTable[TransactionsShard]):
    """What transactions need beyond loading and flushing."""

    def __init__(
        self,
        config: TransactionConfig,
        markers: MarkerWriter,
        open_partition: OpenPartition,
        mark_dirty: Callable[[Partition], None],
        now_ms: Callable[[], int],
        on_damage: OnDamage,
    ) -> None:
        super().__init__(
            TRANSACTIONS_TOPIC,
            lambda: TransactionsShard(config),
            open_partition,
            mark_dirty,
            now_ms,
            on_damage,
        )
        self._markers = markers
        self._added: dict[str, tuple[Host, int]] = {}  # id -> shard's end with its partitions
        self._again: list[tuple[EndingTransaction, TopicPartition]] = []
        self._lost: set[int] = set()  # shards that were thrown away and may owe markers
        self._retry_due_ms: int | None = None
        self._after_end: dict[str, list[Callable[[], None]]] = {}  # by id, told at CompleteX

    def check_in_transaction(
        self,
        shard: TransactionsShard,
        transactional_id: str,
        who: ProducerIdAndEpoch,
        at: TopicPartition,
    ) -> ErrorCode:
        """May the producer write to a partition? (KIP-890, part 1)

        Partitions count once the record that adds them is committed: data whose transaction were
        lost in a crash would hang open for ever.
        """
        code = shard.verify(transactional_id, who, (at,))
        if code is ErrorCode.NONE and not self._is_added(transactional_id):
            return ErrorCode.CONCURRENT_TRANSACTIONS
        return code

    def _is_added(self, transactional_id: str) -> bool:
        host, end = self._added.get(transactional_id, (None, 0))
        if host is None:
            return True  # Loaded from the log, or known to be committed.
        if host.partition.high_watermark < end:
            return False
        del self._added[transactional_id]
        return True

    def _commit(self, host: Host, decision: Decision[R]) -> R | Parked:
        if host.is_refused(decision):  # What was not decided must not be carried out.
            return super()._commit(host, decision)
        answer = super()._commit(host, decision)
        for record in decision.records:
            if isinstance(record, Transaction):
                self._note_added(host, record)
                if record.state in PREPARED:
                    self._end_when_committed(host, record)
        return answer

    def _note_added(self, host: Host, record: Transaction) -> None:
        if record.state is TransactionState.ONGOING:
            self._added[record.transactional_id] = (host, host.end_offset)
        else:
            self._added.pop(record.transactional_id, None)

    def _end_when_committed(self, host: Host, prepared: Transaction) -> None:
        """No partition hears of an end that could still be lost."""

        def committed(is_kept: bool) -> None:
            if is_kept:
                self._end(EndingTransaction(host, prepared))

        host.when_committed(committed)

    def _on_loaded(self, host: Host) -> None:
        for prepared in host.shard.unfinished():
            self._end_when_committed(host, prepared)

    def _end(self, ending: EndingTransaction) -> None:
        for at in sorted(ending.missing):
            self._write_marker(ending, at)
        self._complete_if_done(ending)

    def _write_marker(self, ending: EndingTransaction, at: TopicPartition) -> None:
        def done(error: KafkaError | None) -> None:
            if error is not None and error.code not in SETTLED:
                self._again.append((ending, at))
                self._retry_later()
                return
            ending.missing.discard(at)
            self._complete_if_done(ending)

        self._markers.write(at, ending.producer, ending.marker, now_ms=self._now_ms(), done=done)

    def after_end(
        self, transactional_id: str, ask_again: Callable[[], ErrorCode | Parked]
    ) -> ErrorCode | Parked:
        """What `ask_again` answers once the transaction that is being ended is over.

        CONCURRENT_TRANSACTIONS if too many wait for that already.
        """
        waiting = self._after_end.setdefault(transactional_id, [])
        if len(waiting) >= WAITING_MAX:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        parked = Parked()

        def ended() -> None:
            try:
                answer: object = ask_again()
            except KafkaError as error:
                answer = error
            if isinstance(answer, Parked):
                answer.when_done(lambda got: complete(parked, got))
            else:
                parked.complete(answer)

        waiting.append(ended)
        return parked

    def _tell_ended(self, transactional_id: str) -> None:
        for ended in self._after_end.pop(transactional_id, ()):
            ended()

    def _complete_if_done(self, ending: EndingTransaction) -> None:
        """CompleteX, unless the shard was loaded anew: then that one sees to it."""
        if ending.missing or not self._is_held(ending.host):
            return
        decision = ending.host.shard.decide_complete(ending.prepared, now_ms=self._now_ms())
        self._commit(ending.host, decision)
        self._tell_ended(ending.prepared.transactional_id)

    def _is_held(self, host: Host) -> bool:
        return self._hosts.get(host.partition.index) is host

    def _retry_later(self) -> None:
        if self._retry_due_ms is None:
            self._retry_due_ms = self._now_ms() + RETRY_MS

    def _drop(self, host: Host) -> None:
        super()._drop(host)
        for transactional_id in list(self._after_end):
            self._tell_ended(transactional_id)  # Each finds out for itself what became of it.
        self._lost.add(host.partition.index)
        self._retry_later()

    def expire(self, now_ms: int, date_ms: int) -> None:
        super().expire(now_ms, date_ms)
        if self._retry_due_ms is None or self._retry_due_ms > now_ms:
            return
        self._retry_due_ms = None
        lost, self._lost = self._lost, set()
        for index in lost - self._hosts.keys():
            with suppress(KafkaError):
                self._begin(index)
        again, self._again = self._again, []
        for ending, at in again:
            if self._is_held(ending.host):
                self._write_marker(ending, at)

    def next_due_ms(self) -> int | None:
        due_ms, retry_ms = super().next_due_ms(), self._retry_due_ms
        if due_ms is None or (retry_ms is not None and retry_ms < due_ms):
            return retry_ms
        return due_ms
