"""Batch headers: read, checked, stamped; and batches that lie."""

import random
from typing import Any

import pytest
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from data_plane.protocol.errors import CorruptBatch
from data_plane.protocol.records.batch import (
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    BatchHeader,
    assign,
    check_crc,
    iter_batches,
    read_header,
    stamp_append_time,
)
from data_plane.protocol.records.record import Record, decode_records, encode_batch


def batch(count: int = 3, **options: Any) -> bytearray:
    records = [Record(delta, delta * 10, b"k", b"v") for delta in range(count)]
    return bytearray(encode_batch(records, base_timestamp_ms=1000, base_offset=5, **options))


def test_header_fields() -> None:
    data = batch(producer_id=9, producer_epoch=2, base_sequence=7, partition_leader_epoch=4)
    header = read_header(data)
    assert header == BatchHeader(
        base_offset=5,
        batch_length=len(data) - 12,
        partition_leader_epoch=4,
        magic=2,
        crc=header.crc,
        attributes=0,
        last_offset_delta=2,
        base_timestamp=1000,
        max_timestamp=1020,
        producer_id=9,
        producer_epoch=2,
        base_sequence=7,
        records_count=3,
    )
    assert (header.last_offset, header.next_offset, header.size_bytes) == (7, 8, len(data))
    assert (header.compression, header.timestamp_type) == (0, 0)
    assert not header.is_transactional
    assert not header.is_control
    assert header.has_producer_id


def test_sequences_wrap_to_zero() -> None:
    header = read_header(batch(base_sequence=0x7FFF_FFFE, producer_id=1))
    assert header.last_sequence == 0
    assert read_header(batch()).last_sequence == -1


def test_kafka_python_reads_our_batch_and_we_read_theirs() -> None:
    data = batch(producer_id=9, producer_epoch=2, base_sequence=7)
    theirs = DefaultRecordBatch(bytes(data))
    assert theirs.validate_crc()
    assert [(r.offset, r.timestamp, r.key, r.value) for r in theirs] == [
        (5 + delta, 1000 + 10 * delta, b"k", b"v") for delta in range(3)
    ]
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=4,
        producer_epoch=1,
        base_sequence=0,
        batch_size=4096,
    )
    builder.append(0, timestamp=500, key=None, value=b"v", headers=[("h", b"x")])
    built = bytes(builder.build())
    header = read_header(built)
    check_crc(built, 0, header)
    assert header.is_transactional
    assert decode_records(header, built[BATCH_HEADER_BYTES:]) == [
        Record(0, 0, None, b"v", (("h", b"x"),))
    ]


@pytest.mark.semantics("15c")
def test_assign_leaves_the_checksum_true() -> None:
    data = bytearray(b"..") + batch()
    assign(memoryview(data), 2, 1 << 40, 6)
    header = read_header(data, 2)
    assert (header.base_offset, header.partition_leader_epoch) == (1 << 40, 6)
    check_crc(data, 2, header)


def test_append_time_is_stamped_with_a_new_checksum() -> None:
    data = bytearray(b"..") + batch()
    stamp_append_time(data, 2, read_header(data, 2), 99)
    header = read_header(data, 2)
    assert (header.timestamp_type, header.max_timestamp) == (1, 99)
    check_crc(memoryview(data), 2, header)


@pytest.mark.parametrize("seed", range(30))
def test_a_flipped_bit_is_found(seed: int) -> None:
    """A flip in the checksummed range or the checksum is found by it; in magic or length before."""
    rng = random.Random(seed)
    data = batch()
    at = rng.choice([8, 9, 10, 11, *range(16, len(data))])
    data[at] ^= 1 << rng.randrange(8)
    with pytest.raises(CorruptBatch):
        check_crc(data, 0, read_header(data))


@pytest.mark.semantics("13c")
@pytest.mark.parametrize("length", [-(2**31), -1, 0, 48, 10_000, 2**31 - 1])
def test_a_lying_length_is_refused(length: int) -> None:
    data = batch()
    data[8:12] = length.to_bytes(4, "big", signed=True)
    with pytest.raises(CorruptBatch):
        read_header(data)


@pytest.mark.parametrize("magic", [0, 1, 3, 255])
def test_another_magic_is_refused(magic: int) -> None:
    data = batch()
    data[16] = magic
    with pytest.raises(CorruptBatch, match="magic"):
        read_header(data)


def test_every_cut_is_refused() -> None:
    data = batch()
    for cut in range(len(data)):
        with pytest.raises(CorruptBatch):
            read_header(data[:cut])


def test_batches_back_to_back() -> None:
    first, second = batch(1), batch(4)
    found = list(iter_batches(bytes(first + second)))
    assert [(at, header.records_count) for at, header in found] == [(0, 1), (len(first), 4)]
    torn = iter_batches(bytes(first + second[:-1]))
    assert next(torn)[0] == 0
    with pytest.raises(CorruptBatch):
        next(torn)


def test_layout_is_61_bytes() -> None:
    assert BATCH_HEADER.size == BATCH_HEADER_BYTES == 61
