"""Duplicates, gaps, epochs, wrap and expiry of idempotent producers (kafka-protocol.md 20-23)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_plane.log.log_config import LogConfig
from data_plane.log.partition_log import PartitionLog
from data_plane.log.producer_state import ProducerStates, decode_producer_states
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.records.control import MarkerType
from tests.factories.record_batches import NOW_MS, append, client_batch, memory_files, new_log
from tests.unit.data_plane.log.test_transactions import World, marker_batch

SEQUENCE_MAX = 2**31 - 1


def send(
    log: PartitionLog, sequence: int, *, epoch: int = 0, count: int = 1, producer_id: int = 1
) -> int | ErrorCode:
    """Append one batch; the base offset, negative minus one for a duplicate, or the refusal."""
    batch = client_batch(
        [b"v"] * count, producer_id=producer_id, producer_epoch=epoch, sequence=sequence
    )
    try:
        staged = log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    except KafkaError as error:
        return error.code
    log.write()
    return -1 - staged.base_offset if staged.is_duplicate else staged.base_offset


def log_of_others() -> PartitionLog:
    """Somebody else has written one record."""
    log = new_log(memory_files())
    append(log, client_batch())
    return log


@pytest.mark.semantics("20a")
def test_each_of_the_last_five_batches_gets_its_first_offset_back() -> None:
    log = new_log(memory_files())
    for i in range(8):
        assert send(log, 2 * i, count=2) == 2 * i
    for i in range(3, 8):
        assert send(log, 2 * i, count=2) == -1 - 2 * i
    assert log.log_end_offset == 16
    assert send(log, 4, count=2) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "older than the window"
    assert send(log, 16, count=2) == 16


@pytest.mark.semantics("20d")
def test_a_duplicate_is_one_with_the_same_first_and_last_sequence_only() -> None:
    log = new_log(memory_files())
    assert send(log, 0, count=3) == 0
    for sequence, count in ((0, 2), (1, 2), (0, 4), (2, 1)):
        assert send(log, sequence, count=count) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_repeat_within_one_turn_is_a_duplicate_too() -> None:
    log = new_log(memory_files())
    batch = client_batch(producer_id=1, producer_epoch=0, sequence=0)
    again = memoryview(bytearray(batch))
    first = log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    second = log.stage(again, leader_epoch=0, now_ms=NOW_MS)
    log.write()
    assert (first.base_offset, second.base_offset, second.is_duplicate) == (0, 0, True)
    assert log.log_end_offset == 1


@pytest.mark.semantics("20c")
@pytest.mark.parametrize("sequence", [1, 2, 4, 5, SEQUENCE_MAX])
def test_a_gap_is_out_of_order_and_changes_nothing(sequence: int) -> None:
    log = new_log(memory_files())
    send(log, 0, count=3)
    assert send(log, sequence) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.log_end_offset == 3
    assert send(log, 3) == 3


@pytest.mark.semantics("20e")
def test_sequences_wrap_to_zero_between_batches_and_within_one() -> None:
    log = new_log(memory_files())
    assert send(log, SEQUENCE_MAX - 1, count=2) == 0  # An unknown producer may start anywhere.
    assert send(log, 1) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0) == 2
    assert send(log, SEQUENCE_MAX - 1, count=2) == -1
    other = new_log(memory_files())
    assert send(other, SEQUENCE_MAX, count=3) == 0  # Its last sequence is 1.
    assert send(other, SEQUENCE_MAX, count=3) == -1
    assert send(other, 2) == 3


def test_a_producer_goes_on_in_a_topic_that_was_made_anew() -> None:
    """It knows the topic by name, so its sequences go on; as in Kafka."""
    log = new_log(memory_files())
    assert send(log, 7) == 0
    assert send(log, 8) == 1
    assert send(log, 7) == -1


def test_a_transaction_with_an_epoch_of_its_own_starts_at_zero() -> None:
    """Its first batch may go to who led before, and its second to who leads now."""
    log = log_of_others()
    marker = marker_batch(1, MarkerType.COMMIT, epoch=3)  # of one that wrote nothing here
    log.stage(marker, leader_epoch=0, now_ms=NOW_MS, is_client=False)
    log.write()

    def open_at(sequence: int, epoch: int, producer_id: int) -> None:
        batch = client_batch(
            producer_id=producer_id,
            producer_epoch=epoch,
            sequence=sequence,
            is_transactional=True,
        )
        log.stage(batch, leader_epoch=0, now_ms=NOW_MS, is_verified=True, is_first=True)
        log.write()

    for producer_id in (1, 2):
        with pytest.raises(KafkaError) as refused:
            open_at(1, 3, producer_id)
        assert refused.value.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        open_at(0, 3, producer_id)
        open_at(1, 3, producer_id)


@pytest.mark.semantics("21a", "21b")
def test_an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero() -> None:
    log = new_log(memory_files())
    assert send(log, 7, epoch=3) == 0
    assert send(log, 8, epoch=2) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert send(log, 8, epoch=4) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0, epoch=4) == 1
    assert send(log, 8, epoch=3) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert send(log, 0, epoch=4) == -2
    assert send(log, 1, epoch=4) == 2


def test_a_marker_of_a_newer_epoch_empties_the_window() -> None:
    log = new_log(memory_files())
    send(log, 0)
    marker = client_batch(is_control=True, producer_id=1, producer_epoch=5)
    log.stage(marker, leader_epoch=0, now_ms=NOW_MS, is_client=False)
    log.write()
    assert send(log, 1) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert send(log, 9, epoch=5) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0, epoch=5) == 2


def test_whose_batches_are_deleted_but_not_its_marker_may_go_on_where_it_was() -> None:
    """On a replica that began behind them; seed 59 of the simulated worlds."""
    log = new_log(memory_files())
    marker = marker_batch(1, MarkerType.COMMIT)
    log.stage(marker, leader_epoch=0, now_ms=NOW_MS, is_client=False)
    log.write()
    again = decode_producer_states(log.producers.encode())
    assert again.get(1) == log.producers.get(1)
    assert send(log, 62) == 1
    assert send(log, 64) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 62) == -2
    assert send(log, 63) == 2


def test_whose_marker_alone_is_known_is_fenced_all_the_same() -> None:
    log = new_log(memory_files())
    marker = marker_batch(1, MarkerType.ABORT, epoch=5)
    log.stage(marker, leader_epoch=0, now_ms=NOW_MS, is_client=False)
    log.write()
    assert send(log, 0, epoch=4) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert send(log, 3, epoch=6) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0, epoch=6) == 1


def test_producers_do_not_know_each_other() -> None:
    log = new_log(memory_files())
    assert send(log, 0, producer_id=1) == 0
    assert send(log, 500, producer_id=2) == 1
    assert send(log, 1, producer_id=1) == 2
    assert send(log, 501, producer_id=2) == 3


@pytest.mark.semantics("22a")
def test_an_expired_producer_may_start_anywhere() -> None:
    log = new_log(memory_files(), LogConfig(producer_id_expiration_ms=1000))
    send(log, 0)
    log.apply_retention(NOW_MS + 999)
    assert send(log, 700) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    log.apply_retention(NOW_MS + 1000)
    assert send(log, 700) == 1


def test_expiry_follows_our_clock_and_not_the_records() -> None:
    """Replaying old data must not lose protection against duplicates."""
    log = new_log(memory_files())
    old = client_batch(timestamps_ms=[1], producer_id=1, producer_epoch=0, sequence=0)
    again = memoryview(bytearray(old))
    append(log, old)
    log.apply_retention(NOW_MS + 1, offset_limit=0)
    assert log.stage(again, leader_epoch=0, now_ms=NOW_MS).is_duplicate


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 12), st.integers(1, 3)),
        max_size=40,
    )
)
def test_no_history_writes_a_sequence_twice(sends: list[tuple[int, int, int, int]]) -> None:
    """Against a plain model: what is accepted is, per producer and epoch, one unbroken row."""
    log = new_log(memory_files())
    rows: dict[tuple[int, int], list[int]] = {}
    for producer_id, epoch, sequence, count in sends:
        got = send(log, sequence, epoch=epoch, count=count, producer_id=producer_id)
        if isinstance(got, ErrorCode) or got < 0:
            continue
        row = rows.setdefault((producer_id, epoch), [])
        assert not row or sequence == row[-1] + 1
        is_first_epoch = not any(p == producer_id and e != epoch for p, e in rows)
        assert row or sequence == 0 or is_first_epoch
        assert not any(p == producer_id and e > epoch for p, e in rows)
        row += range(sequence, sequence + count)


def filled_states() -> ProducerStates:
    log = new_log(memory_files())
    for producer_id in range(4):
        for i in range(7):
            send(log, i, producer_id=producer_id, epoch=producer_id)
    return log.producers


@pytest.mark.semantics("23b")
def test_a_snapshot_restores_every_producer() -> None:
    states = filled_states()
    again = decode_producer_states(states.encode())
    assert [again.get(i) for i in range(4)] == [states.get(i) for i in range(4)]
    assert len(again) == 4


def states_with_undecided() -> ProducerStates:
    """Two markers are above the high watermark."""
    world = World()
    for producer_id in (1, 2, 3):
        world.data(producer_id, 2)
    world.end(2, MarkerType.COMMIT)
    world.end(1, MarkerType.ABORT)
    return world.log.producers


def test_a_snapshot_keeps_which_markers_are_not_committed() -> None:
    again = decode_producer_states(states_with_undecided().encode())
    unstable = []
    for high_watermark in (0, 7, 8, 100):
        again.forget_decided(high_watermark)
        unstable.append(again.first_unstable_offset)
    assert unstable == [0, 0, 4, 4], "producer 1's transaction at 0, and 3's at 4, which is open"


@pytest.mark.parametrize("make", [filled_states, states_with_undecided])
def test_a_cut_or_changed_snapshot_is_refused(make: Callable[[], ProducerStates]) -> None:
    content = make().encode()
    for size in range(len(content)):
        with pytest.raises(ValueError, match="snapshot"):
            decode_producer_states(content[:size])
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 0x10
        with pytest.raises(ValueError, match="snapshot"):
            decode_producer_states(bytes(changed))
