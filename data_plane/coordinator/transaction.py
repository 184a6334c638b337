"""One transactional id: its state table and every step that a request or the clock makes. Pure.

                AddPartitions              EndTxn              all markers are written
        Empty ----------------> Ongoing ----------> PrepareX -------------------------> CompleteX
                                   |                   ^                                    |
                                   | a newer producer, |                                    |
                                   v or time is up     |      AddPartitions: Ongoing again, |
                             PrepareEpochFence --------+      InitProducerId: Empty again <-+

1. **PrepareX is the decision.** Once it is committed to the log the transaction has that end; the
   markers that tell the partitions follow, again and again until each has one. A coordinator that
   loads PrepareX sends them anew.
2. **The epoch is the fence.** Each InitProducerId raises it, and so does the coordinator when it
   ends a transaction that its producer has not: whoever still uses the old one is refused here and,
   behind the marker that carries the new one, by each partition. PrepareEpochFence exists only
   between the two halves of one step and is never in the log.
3. **Under transaction.version 2 every end is a fence** (KIP-890, part 2): EndTxn v5 raises the
   epoch, so a request of one transaction that comes late cannot be taken for one of the next. Then
   the epoch also tells a retry from a new request, and partitions join by the first write.
4. **Nobody is told half.** While a transaction is being ended every request for it is answered
   CONCURRENT_TRANSACTIONS, upon which clients ask again.

Sources: KIP-98, KIP-360 (resuming), KIP-588 (fencing), KIP-890 (verification), Kafka's
TransactionMetadata; kafka-protocol.md 2, items 65-72.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from data_plane.protocol.errors import ErrorCode

NO_PRODUCER_ID = NO_EPOCH = NO_TIME = -1
EPOCH_MAX = 2**15 - 1
# The last epoch given to a producer; the one above is left for fencing it.
EPOCH_EXHAUSTED = EPOCH_MAX - 1

TopicPartition = tuple[str, int]


class TransactionState(IntEnum):
    """Kafka's numbers, as `__transaction_state` holds them."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def label(self) -> str:
        """Kafka's name: DescribeTransactions and ListTransactions show it."""
        return self.name.title().replace("_", "")


S = TransactionState
# The whole automaton. DEAD is a tombstone: the transactional id has expired. An idle producer of
# version 2 may abort, for the sake of the new epoch.
TRANSITIONS = {
    S.EMPTY: {S.EMPTY, S.ONGOING, S.PREPARE_ABORT, S.DEAD},
    S.ONGOING: {S.ONGOING, S.PREPARE_COMMIT, S.PREPARE_ABORT, S.PREPARE_EPOCH_FENCE},
    S.PREPARE_EPOCH_FENCE: {S.PREPARE_ABORT},
    S.PREPARE_COMMIT: {S.COMPLETE_COMMIT},
    S.PREPARE_ABORT: {S.COMPLETE_ABORT},
    S.COMPLETE_COMMIT: {S.EMPTY, S.ONGOING, S.PREPARE_ABORT, S.DEAD},
    S.COMPLETE_ABORT: {S.EMPTY, S.ONGOING, S.PREPARE_ABORT, S.DEAD},
    S.DEAD: set(),
}
PREPARED = (S.PREPARE_COMMIT, S.PREPARE_ABORT)
COMPLETED = {S.PREPARE_COMMIT: S.COMPLETE_COMMIT, S.PREPARE_ABORT: S.COMPLETE_ABORT}
IDLE = (S.EMPTY, S.COMPLETE_COMMIT, S.COMPLETE_ABORT)  # these expire when nobody comes back


class IllegalTransition(Exception):
    """A bug here, never a client's fault."""


class ProducerIdAndEpoch(NamedTuple):
    """Who a producer says it is."""

    producer_id: int
    producer_epoch: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """What the log says of one transactional id; times are Unix ms, -1: never."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState = S.EMPTY
    partitions: frozenset[TopicPartition] = frozenset()
    start_ms: int = NO_TIME  # of the transaction
    update_ms: int = NO_TIME  # of this record
    last_producer_id: int = NO_PRODUCER_ID  # whose epochs were exhausted (KIP-360)
    last_producer_epoch: int = NO_EPOCH  # before the last InitProducerId that named it; not logged
    next_producer_id: int = NO_PRODUCER_ID  # takes over when this end is complete
    version: int = 0  # transaction.version of the client that ended it

    def to(self, state: TransactionState, **changes: object) -> "Transaction":
        """The next record; nothing but this assigns a state."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"transaction cannot go from {self.state} to {state}")
        return replace(self, state=state, **changes)  # type: ignore[arg-type]  # fields by name

    @property
    def is_epoch_exhausted(self) -> bool:
        return self.producer_epoch >= EPOCH_EXHAUSTED

    @property
    def is_commit(self) -> bool:
        return self.state in (S.PREPARE_COMMIT, S.COMPLETE_COMMIT)


# --- InitProducerId ------------------------------------------------------------------------------


def is_rotating(known: Transaction, expected: ProducerIdAndEpoch | None) -> bool:
    """Does InitProducerId need a new producer id, because this one has no epoch left?"""
    return known.is_epoch_exhausted and (
        expected is None or expected.producer_epoch == known.producer_epoch
    )


def check_initialise(known: Transaction, expected: ProducerIdAndEpoch | None) -> ErrorCode:
    """May this producer (re)initialise now? ONGOING passes: then `fenced` comes first.

    Unlike Kafka a resuming producer that was replaced is refused before it aborts anything of the
    one that took its place.
    """
    if expected is not None and not _is_known_producer(known, expected):
        return ErrorCode.PRODUCER_FENCED
    if expected is not None and known.state is S.ONGOING and _bumped(known, expected) is None:
        return ErrorCode.PRODUCER_FENCED
    if known.state in PREPARED:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    return ErrorCode.NONE


def _is_known_producer(known: Transaction, expected: ProducerIdAndEpoch) -> bool:
    """The current producer id, or the one before or after it where epochs were used up."""
    if expected.producer_id == known.producer_id or is_next(known, expected):
        return True
    return (
        expected.producer_id == known.last_producer_id
        and expected.producer_epoch >= EPOCH_EXHAUSTED
    )


def initialised(
    known: Transaction,
    expected: ProducerIdAndEpoch | None,
    *,
    timeout_ms: int,
    new_producer_id: int,
    now_ms: int,
) -> Transaction | ErrorCode:
    """The next Empty record, with a raised epoch or a new producer id.

    expected: what a producer that resumes believes in; one that retries a call that was carried
    out gets the same answer again, one that was replaced is fenced (KIP-360).
    """
    if is_rotating(known, expected):
        producer_id, epoch, last_epoch = new_producer_id, 0, NO_EPOCH
        last_producer_id = known.producer_id
        if expected is not None:
            last_epoch = known.producer_epoch
    else:
        bumped = _bumped(known, expected)
        if bumped is None:
            return ErrorCode.PRODUCER_FENCED
        producer_id, last_producer_id = known.producer_id, known.last_producer_id
        epoch, last_epoch = bumped
    return known.to(
        S.EMPTY,
        producer_id=producer_id,
        producer_epoch=epoch,
        last_producer_id=last_producer_id,
        last_producer_epoch=last_epoch,
        timeout_ms=timeout_ms,
        partitions=frozenset(),
        start_ms=NO_TIME,
        update_ms=now_ms,
    )


def _bumped(known: Transaction, expected: ProducerIdAndEpoch | None) -> tuple[int, int] | None:
    """(epoch, the one before it as far as it may be named again); None: fenced."""
    if expected is None:
        return known.producer_epoch + 1, NO_EPOCH
    if expected.producer_epoch == known.producer_epoch:
        return known.producer_epoch + 1, known.producer_epoch
    if expected.producer_epoch == known.last_producer_epoch:
        return known.producer_epoch, known.last_producer_epoch
    return None


# --- the transaction -----------------------------------------------------------------------------


def check_producer(known: Transaction | None, who: ProducerIdAndEpoch) -> ErrorCode:
    """Is this the producer that the transactional id belongs to now?"""
    if known is not None and is_next(known, who):
        return ErrorCode.NONE
    if known is None or known.producer_id != who.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if known.producer_epoch != who.producer_epoch:
        return ErrorCode.PRODUCER_FENCED
    return ErrorCode.NONE


def with_partitions(
    known: Transaction, partitions: Iterable[TopicPartition], now_ms: int
) -> Transaction:
    """The transaction with more partitions in it; it begins with the first."""
    start_ms = known.start_ms if known.state is S.ONGOING else now_ms
    return known.to(
        S.ONGOING,
        partitions=known.partitions.union(partitions),
        start_ms=start_ms,
        update_ms=now_ms,
    )


def check_end(known: Transaction, *, is_commit: bool) -> ErrorCode | None:
    """What to answer an EndTxn at once; None: it must be carried out.

    The same end once more is a retry, which succeeds or waits; the other one is a mistake.
    """
    if known.state is S.ONGOING:
        return None
    if known.state in IDLE and known.state is not S.EMPTY and known.is_commit == is_commit:
        return ErrorCode.NONE
    if known.state in PREPARED and known.is_commit == is_commit:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    return ErrorCode.INVALID_TXN_STATE


def prepared(known: Transaction, *, is_commit: bool, now_ms: int) -> Transaction:
    """The decision, at the epoch of the transaction; markers follow once it is committed."""
    state = S.PREPARE_COMMIT if is_commit else S.PREPARE_ABORT
    return known.to(state, update_ms=now_ms, version=0)


def fenced(known: Transaction, now_ms: int) -> Transaction:
    """Abort what a producer left open, at an epoch above its own, so that it can write no more."""
    fence = known.to(
        S.PREPARE_EPOCH_FENCE,
        producer_epoch=min(known.producer_epoch + 1, EPOCH_MAX),
        last_producer_epoch=NO_EPOCH,
    )
    return prepared(fence, is_commit=False, now_ms=now_ms)


def completed(known: Transaction, now_ms: int) -> Transaction:
    """Every partition has its marker."""
    done = known.to(COMPLETED[known.state], partitions=frozenset(), update_ms=now_ms)
    if known.next_producer_id == NO_PRODUCER_ID:
        return done
    return replace(
        done,
        producer_id=known.next_producer_id,
        producer_epoch=0,
        last_producer_id=known.producer_id,
        next_producer_id=NO_PRODUCER_ID,
    )


# --- EndTxn under transaction.version 2 ----------------------------------------------------------


def is_retried_end(known: Transaction, who: ProducerIdAndEpoch) -> bool:
    """Did this EndTxn v5 end the transaction already? Then the epoch has moved on by one."""
    if known.last_producer_id == who.producer_id and known.producer_epoch == 0:
        return who.producer_epoch == EPOCH_EXHAUSTED
    return known.producer_id == who.producer_id and known.producer_epoch == who.producer_epoch + 1


def check_bumping_end(
    known: Transaction | None, who: ProducerIdAndEpoch, *, is_commit: bool
) -> ErrorCode | None:
    """What to answer an EndTxn v5 at once; None: it must be carried out.

    The epoch says whether it is a retry; a state alone could be that of the next transaction. That
    one may be aborted before anything joined it, while the one before is still being ended: its
    producer is the one we named, so it waits and is not fenced (KAFKA-18464).
    """
    if known is None:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if is_next(known, who):
        return ErrorCode.CONCURRENT_TRANSACTIONS
    is_retry = is_retried_end(known, who)
    if known.producer_id != who.producer_id and not is_retry:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    is_current = known.producer_epoch == who.producer_epoch
    if is_retry and known.state in (*PREPARED, S.COMPLETE_COMMIT, S.COMPLETE_ABORT):
        if is_commit and not known.is_commit:
            # Its time was up, or a newer producer came: nobody retries with the other end.
            return ErrorCode.PRODUCER_FENCED  # KAFKA-20785
        return check_end(known, is_commit=is_commit)
    if not is_current or known.state in PREPARED:
        return ErrorCode.PRODUCER_FENCED
    if known.state is S.ONGOING or not is_commit:
        return None
    return ErrorCode.INVALID_TXN_STATE


def prepared_bumping(
    known: Transaction, *, is_commit: bool, next_producer_id: int, now_ms: int
) -> Transaction:
    """As `prepared`, at the next epoch; next_producer_id: drawn if the epochs are used up."""
    bumped = prepared(known, is_commit=is_commit, now_ms=now_ms)
    return replace(
        bumped,
        producer_epoch=known.producer_epoch + 1,
        last_producer_epoch=known.producer_epoch,
        next_producer_id=next_producer_id,
        start_ms=known.start_ms if known.state is S.ONGOING else now_ms,
        version=2,
    )


def bumped_producer(prepared: Transaction) -> ProducerIdAndEpoch:
    """Who the producer is from now on."""
    if prepared.next_producer_id != NO_PRODUCER_ID:
        return ProducerIdAndEpoch(prepared.next_producer_id, 0)
    return ProducerIdAndEpoch(prepared.producer_id, prepared.producer_epoch)


def is_next(known: Transaction, who: ProducerIdAndEpoch) -> bool:
    """Is this who the producer of an end under way was told to be from then on?"""
    return known.state in PREPARED and who == bumped_producer(known)


def check_verify(
    known: Transaction | None, who: ProducerIdAndEpoch, partitions: Iterable[TopicPartition]
) -> ErrorCode:
    """May this producer write to these partitions within its transaction? (KIP-890, part 1)"""
    code = check_producer(known, who)
    if known is None or code is not ErrorCode.NONE:
        return code
    if known.state in PREPARED:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    if known.state is S.ONGOING and known.partitions.issuperset(partitions):
        return ErrorCode.NONE
    return ErrorCode.TRANSACTION_ABORTABLE
