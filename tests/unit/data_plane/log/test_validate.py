"""Every rule for a client's batch, with the code a client gets, and bytes changed at random."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_plane.log.log_config import LogConfig
from data_plane.log.validate import RefusedRecords, check_client_batch, header_of_client_batch
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.records.batch import CRC_AT, read_header
from tests.factories.record_batches import NOW_MS, client_batch, memory_files, new_log

crc32c = pytest.importorskip("crc32c").crc32c

PLAIN = LogConfig()


def refusal(batch: memoryview, config: LogConfig = PLAIN) -> ErrorCode:
    """The code that this batch is refused with, NONE if it is taken."""
    try:
        check_client_batch(batch, header_of_client_batch(batch), config, NOW_MS)
    except KafkaError as error:
        return error.code
    return ErrorCode.NONE


def changed(at: int, layout: str, value: int) -> memoryview:
    """A batch with one header field changed and the checksum made to fit again."""
    batch = client_batch([b"a", b"b"], producer_id=3, producer_epoch=0, sequence=0)
    struct.pack_into(layout, batch, at, value)
    struct.pack_into(">I", batch, CRC_AT, crc32c(batch[21:]))
    return batch


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
def test_a_good_batch_is_taken_in_every_codec(compression: int) -> None:
    assert refusal(client_batch([b"a", b"b"], compression=compression)) == ErrorCode.NONE


@pytest.mark.semantics("13b", "15b")
@pytest.mark.parametrize(
    ("at", "layout", "value", "code"),
    [
        (8, ">i", -1, ErrorCode.CORRUPT_MESSAGE),
        (8, ">i", 48, ErrorCode.CORRUPT_MESSAGE),
        (8, ">i", 2**31 - 1, ErrorCode.INVALID_RECORD),
        (16, ">b", 0, ErrorCode.INVALID_RECORD),
        (16, ">b", 1, ErrorCode.INVALID_RECORD),
        (16, ">b", 3, ErrorCode.INVALID_RECORD),
        (21, ">h", 5, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (21, ">h", 0x08, ErrorCode.INVALID_TIMESTAMP),
        (21, ">h", 0x10, ErrorCode.NONE),
        (21, ">h", 0x20, ErrorCode.INVALID_RECORD),
        (23, ">i", 0, ErrorCode.INVALID_RECORD),
        (23, ">i", 2, ErrorCode.INVALID_RECORD),
        (23, ">i", -1, ErrorCode.INVALID_RECORD),
        (35, ">q", NOW_MS + 3_600_001, ErrorCode.INVALID_TIMESTAMP),
        (35, ">q", NOW_MS + 3_600_000, ErrorCode.NONE),
        (35, ">q", -1, ErrorCode.NONE),
        (43, ">q", -2, ErrorCode.INVALID_RECORD),
        (43, ">q", -1, ErrorCode.NONE),
        (51, ">h", -1, ErrorCode.INVALID_PRODUCER_EPOCH),
        (53, ">i", -1, ErrorCode.INVALID_RECORD),
        (57, ">i", 0, ErrorCode.INVALID_RECORD),
        (57, ">i", 1, ErrorCode.INVALID_RECORD),
        (57, ">i", -1, ErrorCode.INVALID_RECORD),
    ],
)
def test_each_header_field_is_checked(at: int, layout: str, value: int, code: ErrorCode) -> None:
    assert refusal(changed(at, layout, value)) == code


def test_a_batch_without_records_is_refused() -> None:
    batch = changed(57, ">i", 0)
    struct.pack_into(">i", batch, 23, -1)
    struct.pack_into(">I", batch, CRC_AT, crc32c(batch[21:]))
    assert refusal(batch) == ErrorCode.INVALID_RECORD


@pytest.mark.semantics("13c")
@pytest.mark.parametrize("size", range(61))
def test_a_cut_header_is_refused(size: int) -> None:
    """For good, as by Apache Kafka: after CORRUPT_MESSAGE a client would try again for ever."""
    assert refusal(client_batch()[:size]) == ErrorCode.INVALID_RECORD


@pytest.mark.semantics("13a")
def test_exactly_one_batch_is_taken() -> None:
    one = bytes(client_batch())
    assert refusal(memoryview(bytearray(one + one))) == ErrorCode.INVALID_RECORD
    assert refusal(memoryview(bytearray(one + b"x"))) == ErrorCode.INVALID_RECORD
    assert refusal(memoryview(bytearray(one[:-1]))) == ErrorCode.INVALID_RECORD


@pytest.mark.semantics("14a")
def test_the_size_limit_is_that_of_the_compressed_batch() -> None:
    batch = client_batch([b"x" * 10_000], compression=4)
    assert refusal(batch, LogConfig(message_bytes_max=len(batch))) == ErrorCode.NONE
    too_small = LogConfig(message_bytes_max=len(batch) - 1)
    assert refusal(batch, too_small) == ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.semantics("13d")
def test_every_flipped_bit_in_the_checksummed_range_is_found() -> None:
    good = bytes(client_batch([b"some value"]))
    for at in range(17, len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            assert refusal(memoryview(bad)) == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.semantics("16a")
@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
def test_a_compacted_topic_names_each_record_without_a_key(compression: int) -> None:
    compacted = LogConfig(is_compacted=True)
    assert refusal(client_batch([b"a"], compression=compression), compacted) == ErrorCode.NONE
    batch = client_batch([b"a", b"b"], key=None, compression=compression)
    assert refusal(batch) == ErrorCode.NONE
    with pytest.raises(RefusedRecords) as caught:
        check_client_batch(batch, read_header(batch), compacted, NOW_MS)
    assert caught.value.code == ErrorCode.INVALID_RECORD
    assert caught.value.record_indexes == (0, 1)


def test_a_compacted_topic_refuses_records_it_cannot_read() -> None:
    batch = client_batch([b"a" * 50])
    batch[61:70] = b"\xff" * 9
    struct.pack_into(">I", batch, CRC_AT, crc32c(batch[21:]))
    assert refusal(batch) == ErrorCode.NONE
    assert refusal(batch, LogConfig(is_compacted=True)) == ErrorCode.INVALID_RECORD


@pytest.mark.semantics("17b")
def test_the_lower_bound_looks_at_every_record() -> None:
    config = LogConfig(timestamp_before_max_ms=1000)
    fresh = client_batch([b"a", b"b"], timestamps_ms=[NOW_MS, NOW_MS - 1000])
    stale = client_batch([b"a", b"b"], timestamps_ms=[NOW_MS, NOW_MS - 1001])
    assert refusal(fresh, config) == ErrorCode.NONE
    assert refusal(stale, config) == ErrorCode.INVALID_TIMESTAMP
    assert refusal(stale, replace(config, is_log_append_time=True)) == ErrorCode.NONE


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_checks(data: bytes) -> None:
    assert refusal(memoryview(bytearray(data)), LogConfig(is_compacted=True)) != ErrorCode.NONE


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_batch_is_taken_or_refused_but_never_breaks_the_log(
    changes: list[tuple[int, int]],
) -> None:
    """Whatever was taken can be read back under the offset it was given."""
    log = new_log(memory_files(), LogConfig(is_compacted=True))
    batch = client_batch([b"value" * 5, b"other"])
    for at, value in changes:
        batch[at % len(batch)] = value
    struct.pack_into(">I", batch, CRC_AT, crc32c(batch[21:]))
    try:
        log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    except KafkaError:
        assert log.log_end_offset == 0
        return
    log.write()
    stored = log.read(0, bytes_max=1, offset_limit=10**9, at_least_one=True).read_bytes()
    assert read_header(stored).base_offset == 0
    assert log.log_end_offset == read_header(stored).next_offset
