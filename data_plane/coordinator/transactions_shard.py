"""One partition of `__transaction_state` in memory: its transactional ids.

The steps themselves are in transaction.py. A PrepareX record among a decision's records asks the
broker for markers, once that record is committed (broker/transaction_coordinators.py).
"""

from collections.abc import Collection, Iterator

from data_plane.coordinator import transaction, transaction_records
from data_plane.coordinator.shard import Replies, TransactionEnded
from data_plane.coordinator.timers import Timers
from data_plane.coordinator.transaction import (
    EPOCH_MAX,
    IDLE,
    NO_EPOCH,
    NO_PRODUCER_ID,
    PREPARED,
    ProducerIdAndEpoch,
    TopicPartition,
    Transaction,
    TransactionState,
)
from data_plane.coordinator.transaction_config import TransactionConfig
from data_plane.coordinator.transaction_records import TransactionRecord, TransactionRemoved
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode

HELD_LOOK_MS = 3_600_000
Initialised = ProducerIdAndEpoch | ErrorCode


class TransactionsShard:
    """Implements `Shard` (shard.py)."""

    def __init__(self, config: TransactionConfig) -> None:
        self.config = config
        self.transactions: dict[str, Transaction] = {}
        self._timers = Timers()  # by transactional id
        self._is_loaded = False
        self._loaded_ms: dict[str, int] = {}  # id -> from when one that was loaded counts

    # --- producers ---------------------------------------------------------------------------

    def check_timeout(self, timeout_ms: int) -> ErrorCode:
        is_allowed = 0 < timeout_ms <= self.config.timeout_ms_max
        return ErrorCode.NONE if is_allowed else ErrorCode.INVALID_TRANSACTION_TIMEOUT

    def needs_producer_id(self, transactional_id: str, expected: ProducerIdAndEpoch | None) -> bool:
        """Must a new producer id be drawn before `decide_init_producer_id`?"""
        known = self.transactions.get(transactional_id)
        if known is None:
            return True
        return known.state in IDLE and transaction.is_rotating(known, expected)

    def decide_init_producer_id(
        self,
        transactional_id: str,
        *,
        timeout_ms: int,
        expected: ProducerIdAndEpoch | None,
        new_producer_id: int,
        now_ms: int,
    ) -> Decision[Initialised]:
        """Give a producer its id and a new epoch; an open transaction is aborted first.

        expected: what a producer that resumes gives (KIP-360). new_producer_id: drawn if
        `needs_producer_id`, else -1.
        """
        code = self.check_timeout(timeout_ms)
        if code is not ErrorCode.NONE:
            return Decision(code)
        known = self.transactions.get(transactional_id)
        if known is None:
            known = Transaction(transactional_id, new_producer_id, NO_EPOCH, timeout_ms)
            expected = None  # Whoever it was, nobody remembers it.
        if (code := transaction.check_initialise(known, expected)) is not ErrorCode.NONE:
            return Decision(code)
        if known.state is TransactionState.ONGOING:
            # The epoch of the fence is nobody's: the client asks again and gets the next one.
            fence = transaction.fenced(known, now_ms)
            return Decision(ErrorCode.CONCURRENT_TRANSACTIONS, [fence])
        if known.producer_epoch == EPOCH_MAX and not transaction.is_rotating(known, expected):
            return Decision(ErrorCode.PRODUCER_FENCED)
        after = transaction.initialised(
            known,
            expected,
            timeout_ms=timeout_ms,
            new_producer_id=new_producer_id,
            now_ms=now_ms,
        )
        if isinstance(after, ErrorCode):
            return Decision(after)
        return Decision(ProducerIdAndEpoch(after.producer_id, after.producer_epoch), [after])

    # --- transactions ------------------------------------------------------------------------

    def decide_add_partitions(
        self,
        transactional_id: str,
        who: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
        *,
        now_ms: int,
    ) -> Decision[ErrorCode]:
        """Take partitions into the transaction, which begins with the first."""
        known = self.transactions.get(transactional_id)
        code = transaction.check_producer(known, who)
        if known is None or code is not ErrorCode.NONE:
            return Decision(code)
        if known.state in PREPARED:
            return Decision(ErrorCode.CONCURRENT_TRANSACTIONS)
        if known.state is TransactionState.ONGOING and known.partitions.issuperset(partitions):
            return Decision(ErrorCode.NONE)
        after = transaction.with_partitions(known, partitions, now_ms)
        if len(after.partitions) > self.config.partitions_max:
            return Decision(ErrorCode.INVALID_REQUEST)
        return Decision(ErrorCode.NONE, [after])

    def decide_end(
        self, transactional_id: str, who: ProducerIdAndEpoch, *, is_commit: bool, now_ms: int
    ) -> Decision[ErrorCode]:
        """Commit or abort: the answer means that the end is decided, markers follow."""
        known = self.transactions.get(transactional_id)
        code = transaction.check_producer(known, who)
        if known is None or code is not ErrorCode.NONE:
            return Decision(code)
        at_once = transaction.check_end(known, is_commit=is_commit)
        if at_once is not None:
            return Decision(at_once)
        after = transaction.prepared(known, is_commit=is_commit, now_ms=now_ms)
        return Decision(ErrorCode.NONE, [after])

    def needs_producer_id_to_end(self, transactional_id: str, who: ProducerIdAndEpoch) -> bool:
        """Must a new producer id be drawn before `decide_bumping_end`?"""
        known = self.transactions.get(transactional_id)
        return (
            known is not None and known.is_epoch_exhausted and known.producer_id == who.producer_id
        )

    def decide_bumping_end(
        self,
        transactional_id: str,
        who: ProducerIdAndEpoch,
        *,
        is_commit: bool,
        new_producer_id: int,
        now_ms: int,
    ) -> Decision[Initialised]:
        """EndTxn v5: commit or abort, and who the producer is then (KIP-890, part 2)."""
        known = self.transactions.get(transactional_id)
        at_once = transaction.check_bumping_end(known, who, is_commit=is_commit)
        if at_once is ErrorCode.NONE and known is not None:
            return Decision(transaction.bumped_producer(known))
        if known is None or at_once is not None:
            return Decision(at_once or ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if known.is_epoch_exhausted and new_producer_id == NO_PRODUCER_ID:
            return Decision(ErrorCode.CONCURRENT_TRANSACTIONS)
        after = transaction.prepared_bumping(
            known,
            is_commit=is_commit,
            next_producer_id=new_producer_id if known.is_epoch_exhausted else NO_PRODUCER_ID,
            now_ms=now_ms,
        )
        return Decision(transaction.bumped_producer(after), [after])

    def decide_complete(self, ended: Transaction, *, now_ms: int) -> Decision[None]:
        """Every partition has the marker of `ended`, a PrepareX record."""
        known = self.transactions.get(ended.transactional_id)
        if known != ended:
            return Decision(None)
        return Decision(None, [transaction.completed(known, now_ms)])

    def verify(
        self, transactional_id: str, who: ProducerIdAndEpoch, partitions: Collection[TopicPartition]
    ) -> ErrorCode:
        """May this producer write to these partitions in its transaction? (KIP-890)"""
        return transaction.check_verify(self.transactions.get(transactional_id), who, partitions)

    def unfinished(self) -> Iterator[Transaction]:
        """Transactions whose end is decided and whose partitions may not know it yet."""
        return (one for one in self.transactions.values() if one.state in PREPARED)

    # --- time --------------------------------------------------------------------------------

    @property
    def next_due_ms(self) -> int | None:
        return self._timers.next_due_ms if self._is_loaded else None

    def expire(self, now_ms: int, date_ms: int | None = None) -> Decision[None]:
        """Abort transactions whose time is up; forget ids nobody has used for long."""
        held_ms = 0 if date_ms is None else now_ms - date_ms
        records: list[TransactionRecord] = []
        for transactional_id in self._timers.pop_due(now_ms):
            known = self.transactions.get(transactional_id)
            if known is None:
                continue
            due_ms = self._due_ms(known, held_ms)
            if due_ms is None or due_ms > now_ms or len(records) >= self.config.expired_max:
                is_held = held_ms and due_ms is not None  # The date may catch up at any time.
                look_ms = min(due_ms or 0, now_ms + HELD_LOOK_MS) if is_held else due_ms
                self._timers.watch(transactional_id, look_ms)
            elif known.state is TransactionState.ONGOING:
                records.append(transaction.fenced(known, now_ms))
            else:
                records.append(TransactionRemoved(transactional_id))
        return Decision(None, records)

    def _due_ms(self, known: Transaction, held_ms: int = 0) -> int | None:
        """When its time is up; held_ms: how far the date lags behind the clock (Shard.expire).

        What cannot have begun when another coordinator's clock says counts from the load on: a
        clock that is an hour off must end no transaction early, nor keep one open for an hour.
        """
        if known.state is TransactionState.ONGOING:
            begun_ms = self._loaded_ms.get(known.transactional_id, known.start_ms)
            return begun_ms + known.timeout_ms
        if known.state in IDLE:
            return known.update_ms + self.config.id_expiration_ms + held_ms
        return None

    # --- the journal -------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        return self._is_loaded

    def replay(self, record: object) -> None:
        match record:
            case Transaction():
                self.transactions[record.transactional_id] = record
                if record.state is not TransactionState.ONGOING:
                    self._loaded_ms.pop(record.transactional_id, None)
                if self._is_loaded:
                    self._timers.watch(record.transactional_id, self._due_ms(record))
            case TransactionRemoved():
                self.transactions.pop(record.transactional_id, None)
                self._timers.watch(record.transactional_id, None)
            case TransactionEnded():
                pass  # Nothing here is part of a transaction.
            case _:
                raise TypeError(f"not a record of this shard: {record!r}")

    def replay_bytes(
        self, key: bytes | None, value: bytes | None, producer: ProducerIdAndEpoch | None = None
    ) -> None:
        if key is None or producer is not None:
            return  # Nothing here is ever part of a transaction.
        record = transaction_records.decode_record(key, value)
        if record is not None:
            self.replay(record)

    def encode(self, record: object) -> tuple[bytes, bytes | None]:
        assert isinstance(record, TransactionRecord), "decisions carry transaction records"
        return transaction_records.encode_record(record)

    def finish_load(self, now_ms: int) -> None:
        self._is_loaded = True
        for transactional_id, known in self.transactions.items():
            if known.state is TransactionState.ONGOING:
                is_credible = 0 <= now_ms - known.start_ms < known.timeout_ms
                self._loaded_ms[transactional_id] = known.start_ms if is_credible else now_ms
            due_ms = self._due_ms(known)
            overdue_ms = None if due_ms is None else max(due_ms, now_ms)
            self._timers.watch(transactional_id, overdue_ms)

    def close(self) -> Replies:
        return ()
