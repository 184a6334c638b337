"""The state table of a transactional id, epochs at their limits, and its records in the log."""

import dataclasses
import random

import pytest

from data_plane.coordinator import transaction, transaction_records
from data_plane.coordinator.transaction import (
    EPOCH_MAX,
    IDLE,
    PREPARED,
    TRANSITIONS,
    IllegalTransition,
    ProducerIdAndEpoch,
    Transaction,
    TransactionState,
)
from data_plane.coordinator.transaction_records import TransactionRemoved
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.schema import DecodeError

S = TransactionState
KNOWN = Transaction("id", 7, 3, 60_000, S.EMPTY, update_ms=1)
ONGOING = dataclasses.replace(KNOWN, state=S.ONGOING, partitions=frozenset({("t", 0)}), start_ms=1)


@pytest.mark.semantics("67a")
@pytest.mark.parametrize("to", S)
@pytest.mark.parametrize("state", S)
def test_only_the_tables_moves_are_made(state: S, to: S) -> None:
    known = dataclasses.replace(KNOWN, state=state)
    if to in TRANSITIONS[state]:
        assert known.to(to).state is to
    else:
        with pytest.raises(IllegalTransition):
            known.to(to)


def test_every_state_but_dead_leads_to_an_idle_one() -> None:
    """Nothing gets stuck, whatever came before."""
    reached = set(IDLE)
    while more := {s for s in S if TRANSITIONS[s] & reached} - reached:
        reached |= more
    assert reached == set(S) - {S.DEAD}


@pytest.mark.semantics("67a")
def test_states_have_kafkas_names() -> None:
    assert [state.label for state in S] == [
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "PrepareAbort",
        "CompleteCommit",
        "CompleteAbort",
        "Dead",
        "PrepareEpochFence",
    ]


def initialised(
    known: Transaction, expected: ProducerIdAndEpoch | None = None
) -> Transaction | ErrorCode:
    return transaction.initialised(known, expected, timeout_ms=5, new_producer_id=99, now_ms=10)


def test_the_last_epoch_is_kept_for_the_fence() -> None:
    """Item 65: a producer that used up its epochs gets a new id, and may still name the old one."""
    last = dataclasses.replace(KNOWN, producer_epoch=EPOCH_MAX - 2)
    at_end = initialised(last)
    assert isinstance(at_end, Transaction)
    assert (at_end.producer_id, at_end.producer_epoch) == (7, EPOCH_MAX - 1)
    rotated = initialised(at_end)
    assert isinstance(rotated, Transaction)
    assert (rotated.producer_id, rotated.producer_epoch) == (99, 0)
    assert rotated.last_producer_id == 7
    old = ProducerIdAndEpoch(7, EPOCH_MAX - 1)
    assert transaction.check_initialise(rotated, old) is ErrorCode.NONE
    other = ProducerIdAndEpoch(7, 5)
    assert transaction.check_initialise(rotated, other) is ErrorCode.PRODUCER_FENCED


@pytest.mark.semantics("65d")
def test_a_resuming_producer_at_the_last_epoch_gets_a_new_id_and_the_same_one_on_retry() -> None:
    at_end = dataclasses.replace(KNOWN, producer_epoch=EPOCH_MAX - 1)
    old = ProducerIdAndEpoch(7, EPOCH_MAX - 1)
    rotated = initialised(at_end, old)
    assert isinstance(rotated, Transaction)
    again = initialised(rotated, old)
    assert isinstance(again, Transaction)
    assert (again.producer_id, again.producer_epoch) == (99, 0)


def test_a_fence_at_the_last_epoch_is_still_above_it() -> None:
    open_one = dataclasses.replace(ONGOING, producer_epoch=EPOCH_MAX - 1)
    fenced = transaction.fenced(open_one, 5)
    assert (fenced.state, fenced.producer_epoch) == (S.PREPARE_ABORT, EPOCH_MAX)
    rotated = initialised(transaction.completed(fenced, 6))
    assert isinstance(rotated, Transaction)
    assert (rotated.producer_id, rotated.producer_epoch) == (99, 0)


def test_a_transaction_begins_once_and_completes_without_partitions() -> None:
    more = transaction.with_partitions(ONGOING, [("u", 1)], now_ms=50)
    assert (more.start_ms, more.update_ms) == (1, 50)
    assert more.partitions == {("t", 0), ("u", 1)}
    done = transaction.completed(transaction.prepared(more, is_commit=True, now_ms=60), 70)
    assert (done.state, done.partitions, done.start_ms) == (S.COMPLETE_COMMIT, frozenset(), 1)
    again = transaction.with_partitions(done, [("t", 0)], now_ms=80)
    assert again.start_ms == 80


@pytest.mark.parametrize("is_commit", [True, False])
@pytest.mark.parametrize("state", S)
def test_an_end_is_carried_out_repeated_or_refused(state: S, is_commit: bool) -> None:
    """Item 72."""
    answer = transaction.check_end(dataclasses.replace(KNOWN, state=state), is_commit=is_commit)
    if state is S.ONGOING:
        assert answer is None
    elif state is (S.COMPLETE_COMMIT if is_commit else S.COMPLETE_ABORT):
        assert answer is ErrorCode.NONE
    elif state is (S.PREPARE_COMMIT if is_commit else S.PREPARE_ABORT):
        assert answer is ErrorCode.CONCURRENT_TRANSACTIONS
    else:
        assert answer is ErrorCode.INVALID_TXN_STATE


def test_a_partition_is_in_an_ongoing_transaction_or_in_none() -> None:
    who = ProducerIdAndEpoch(7, 3)
    for state in S:
        known = dataclasses.replace(ONGOING, state=state)
        code = transaction.check_verify(known, who, [("t", 0)])
        if state is S.ONGOING:
            assert code is ErrorCode.NONE
        elif state in PREPARED:
            assert code is ErrorCode.CONCURRENT_TRANSACTIONS
        else:
            assert code is ErrorCode.TRANSACTION_ABORTABLE
    assert transaction.check_verify(ONGOING, who, [("t", 1)]) is ErrorCode.TRANSACTION_ABORTABLE


# --- records -------------------------------------------------------------------------------------


def test_records_are_kafkas_byte_for_byte() -> None:
    """TransactionLogKey v0 and TransactionLogValue v0, written out by hand."""
    key, value = transaction_records.encode_record(ONGOING)
    assert key == b"\0\0\0\x02id"
    assert value == (
        b"\0\0"  # layout 0
        b"\0\0\0\0\0\0\0\x07"  # producer id
        b"\0\x03"  # epoch
        b"\0\0\xea\x60"  # timeout, 60 s
        b"\x01"  # Ongoing
        b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0"  # topic t, partition 0
        b"\0\0\0\0\0\0\0\x01"  # last update
        b"\0\0\0\0\0\0\0\x01"  # start
    )
    empty = transaction_records.encode_record(KNOWN)[1]
    assert empty is not None
    assert empty[17:21] == b"\xff\xff\xff\xff", "null partitions"


@pytest.mark.parametrize("last_producer_id", [-1, 5])
@pytest.mark.parametrize("state", S)
def test_records_come_back(state: S, last_producer_id: int) -> None:
    record = dataclasses.replace(
        ONGOING,
        state=state,
        last_producer_id=last_producer_id,
        partitions=frozenset() if state is S.EMPTY else frozenset({("t", 2), ("t", 0), ("u", 1)}),
    )
    assert transaction_records.decode_record(*transaction_records.encode_record(record)) == record


def test_a_tombstone_forgets_the_id_and_other_kinds_are_skipped() -> None:
    key, value = transaction_records.encode_record(TransactionRemoved("id"))
    assert value is None
    assert transaction_records.decode_record(key, None) == TransactionRemoved("id")
    assert transaction_records.decode_record(b"\0\x09whatever", b"") is None


def test_broken_records_raise_and_nothing_else() -> None:
    rng = random.Random(1)
    key, value = transaction_records.encode_record(dataclasses.replace(ONGOING, last_producer_id=5))
    assert value is not None
    for _ in range(2_000):
        broken_key, broken = bytearray(key), bytearray(value)
        for _ in range(rng.randint(1, 3)):
            target = rng.choice([broken_key, broken])
            target[rng.randrange(len(target))] = rng.randrange(256)
        try:
            transaction_records.decode_record(
                bytes(broken_key), bytes(broken[: rng.randint(0, len(broken))])
            )
        except DecodeError:
            continue


# --- transaction.version 2 -----------------------------------------------------------------------

WHO = ProducerIdAndEpoch(7, 3)


def ended(known: Transaction, *, is_commit: bool = True, drawn: int = -1) -> Transaction:
    return transaction.prepared_bumping(
        known, is_commit=is_commit, next_producer_id=drawn, now_ms=40
    )


def test_an_end_of_version_2_raises_the_epoch_its_marker_carries() -> None:
    after = ended(ONGOING)
    assert (after.state, after.producer_epoch, after.version) == (S.PREPARE_COMMIT, 4, 2)
    done = transaction.completed(after, 50)
    assert (done.state, done.producer_id, done.producer_epoch) == (S.COMPLETE_COMMIT, 7, 4)
    assert transaction.bumped_producer(after) == ProducerIdAndEpoch(7, 4)


def test_at_the_last_epoch_the_end_brings_a_new_producer_id() -> None:
    last = dataclasses.replace(ONGOING, producer_epoch=EPOCH_MAX - 1)
    who = ProducerIdAndEpoch(7, EPOCH_MAX - 1)
    after = ended(last, drawn=99)
    assert after.producer_epoch == EPOCH_MAX, "the marker is still of the old id"
    assert transaction.bumped_producer(after) == ProducerIdAndEpoch(99, 0)
    code = transaction.check_bumping_end(after, who, is_commit=True)
    assert code is ErrorCode.CONCURRENT_TRANSACTIONS
    done = transaction.completed(after, 50)
    assert (done.producer_id, done.producer_epoch, done.last_producer_id) == (99, 0, 7)
    assert done.next_producer_id == -1
    assert transaction.check_bumping_end(done, who, is_commit=True) is ErrorCode.NONE
    assert transaction.check_bumping_end(done, who, is_commit=False) is ErrorCode.INVALID_TXN_STATE
    assert transaction.bumped_producer(done) == ProducerIdAndEpoch(99, 0)
    for record in (after, done):
        read = transaction_records.decode_record(*transaction_records.encode_record(record))
        assert read == dataclasses.replace(record, last_producer_epoch=-1)


@pytest.mark.parametrize("is_commit", [True, False])
@pytest.mark.parametrize("state", S)
def test_the_epoch_tells_a_retry_from_a_new_end(state: S, is_commit: bool) -> None:
    """Kafka's table of endTransactionWithTV2: the current epoch, and the one before it.

    The current one was named by the end that is still under way, so it waits for that
    (KAFKA-18464); a commit that finds an abort was overtaken by it (KAFKA-20785).
    """
    known = dataclasses.replace(KNOWN, state=state)
    current = transaction.check_bumping_end(known, WHO, is_commit=is_commit)
    if state in PREPARED:
        assert current is ErrorCode.CONCURRENT_TRANSACTIONS
    elif state is S.ONGOING or not is_commit:
        assert current is None
    else:
        assert current is ErrorCode.INVALID_TXN_STATE
    before = ProducerIdAndEpoch(7, 2)
    retried = transaction.check_bumping_end(known, before, is_commit=is_commit)
    if is_commit and state in (S.PREPARE_ABORT, S.COMPLETE_ABORT):
        assert retried is ErrorCode.PRODUCER_FENCED
    elif state in (*PREPARED, S.COMPLETE_COMMIT, S.COMPLETE_ABORT):
        assert retried is transaction.check_end(known, is_commit=is_commit)
    else:
        assert retried is ErrorCode.PRODUCER_FENCED


@pytest.mark.parametrize("epoch", [3, EPOCH_MAX - 1])
def test_the_producer_an_end_named_waits_for_its_markers(epoch: int) -> None:
    """Whatever it asks while the end is under way: the same id, or a new one (KAFKA-18464)."""
    known = dataclasses.replace(ONGOING, producer_epoch=epoch)
    after = ended(known, drawn=99 if known.is_epoch_exhausted else -1)
    named = transaction.bumped_producer(after)
    waits = ErrorCode.CONCURRENT_TRANSACTIONS
    assert transaction.check_bumping_end(after, named, is_commit=False) is waits
    assert transaction.check_initialise(after, named) is waits
    assert transaction.check_verify(after, named, [("t", 0)]) is waits
    assert transaction.check_producer(after, named) is ErrorCode.NONE
    done = transaction.completed(after, 50)
    assert transaction.check_bumping_end(done, named, is_commit=False) is None, "carried out now"


def test_others_end_nothing() -> None:
    mapping = ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert transaction.check_bumping_end(None, WHO, is_commit=True) is mapping
    stranger = ProducerIdAndEpoch(8, 3)
    assert transaction.check_bumping_end(ONGOING, stranger, is_commit=True) is mapping
    for epoch in (1, 4):
        code = transaction.check_bumping_end(ONGOING, ProducerIdAndEpoch(7, epoch), is_commit=True)
        assert code is ErrorCode.PRODUCER_FENCED
