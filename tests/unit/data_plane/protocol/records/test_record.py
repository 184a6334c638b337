"""Record bodies: what goes in comes out, and nothing hostile gets far."""

import random
import struct

import pytest

from data_plane.protocol.errors import InvalidRecord, KafkaError
from data_plane.protocol.primitives import varint
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, BatchHeader, read_header
from data_plane.protocol.records.compression import (
    CODEC_NAMES,
    ZSTD,
    DecompressedTooLarge,
    compress,
)
from data_plane.protocol.records.control import Marker, MarkerType, decode_marker, encode_marker
from data_plane.protocol.records.record import (
    RECORDS_MAX,
    Record,
    decode_records,
    encode_batch,
    iter_records,
)


def random_records(rng: random.Random) -> list[Record]:
    return [
        Record(
            delta * rng.randint(1, 3),
            rng.randint(-(1 << 40), 1 << 40),
            rng.choice((None, b"", rng.randbytes(70))),
            rng.choice((None, b"", rng.randbytes(3000))),
            rng.choice(((), (("a", b"1"), ("é" * 40, None)))),
        )
        for delta in range(rng.randint(1, 20))
    ]


def split(batch: bytes) -> tuple[BatchHeader, bytes]:
    return read_header(batch), batch[BATCH_HEADER_BYTES:]


@pytest.mark.parametrize("codec", CODEC_NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_round_trip(codec: int, seed: int) -> None:
    records = random_records(random.Random(seed))
    header, payload = split(encode_batch(records, base_timestamp_ms=5, compression=codec))
    assert header.compression == codec
    assert header.last_offset_delta == records[-1].offset_delta
    assert decode_records(header, memoryview(payload)) == records


def test_a_batch_has_records() -> None:
    with pytest.raises(ValueError, match="without records"):
        encode_batch([], base_timestamp_ms=0)


@pytest.mark.parametrize("count", [-1, 0, 1, 3, 1000, 2**31 - 1])
def test_a_lying_count_is_refused(count: int) -> None:
    records = [Record(0, 0, b"k", b"v"), Record(1, 0, b"k", b"v")]
    header, payload = split(encode_batch(records, base_timestamp_ms=5))
    with pytest.raises(InvalidRecord):
        decode_records(header._replace(records_count=count), payload)


def record_body(text: str) -> bytes:
    body = bytes.fromhex(text)
    return varint(len(body)) + body


@pytest.mark.parametrize(
    "payload",
    [
        record_body("00 00 00 01 01 00")[:-1],  # Cut.
        b"\x00" + bytes(6),  # A record of no bytes.
        varint(-5) + bytes(6),
        varint(2**31 - 1) + bytes(6),
        b"\xff" * 10,  # A varint without an end.
        record_body("00 00 00 01 01 00 00"),  # Longer than its fields.
        record_body("00 00 00 feffffff0f 01 00"),  # A key of 2^31-1 bytes.
        record_body("00 00 00 01 08 76 00"),  # A value that ends in another record's place.
        record_body("00 00 00 01 01 01"),  # -1 headers.
        record_body("00 00 00 01 01 feffffff0f"),  # 2^31-1 headers.
        record_body("00 00 00 01 01 02 01 01"),  # A header without a key.
        record_body("00 00 00 01 01 02 02 ff 01"),  # A header key that is no UTF-8.
        record_body("00 80808080808080808080 01 00 01 01 00"),
    ],
    ids=str,
)
def test_hostile_records_are_refused(payload: bytes) -> None:
    header, _ = split(encode_batch([Record(0, 0, None, None)], base_timestamp_ms=5))
    with pytest.raises(InvalidRecord):
        decode_records(header, payload)


@pytest.mark.parametrize("seed", range(300))
def test_damage_raises_kafka_errors_only(seed: int) -> None:
    """Seeded damage behind a true header, under each codec in turn. One case: -k "[<seed>]"."""
    rng = random.Random(seed)
    codec = seed % len(CODEC_NAMES)
    batch = encode_batch(random_records(rng), base_timestamp_ms=5, compression=codec)
    header, payload = split(batch)
    damaged = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(damaged))
        if rng.random() < 0.3 and at:
            del damaged[at:]
        else:
            damaged[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    count = rng.choice((header.records_count, rng.randrange(1 << 31)))
    claiming = header._replace(records_count=count)
    try:
        records = decode_records(claiming, bytes(damaged), bytes_max=1 << 20)
    except KafkaError:
        return
    assert len(records) == count


def test_decompression_is_bounded() -> None:
    records = [Record(0, 0, None, bytes(100_000))]
    for codec in CODEC_NAMES:
        header, payload = split(encode_batch(records, base_timestamp_ms=5, compression=codec))
        if codec:
            with pytest.raises(DecompressedTooLarge):
                decode_records(header, payload, bytes_max=50_000)


@pytest.mark.semantics("68a")
@pytest.mark.parametrize("kind", MarkerType)
def test_marker(kind: MarkerType) -> None:
    marker = Marker(kind, 12)
    batch = encode_marker(marker, producer_id=7, producer_epoch=1, timestamp_ms=99)
    header, payload = split(batch)
    assert header.is_control
    assert header.is_transactional
    assert (header.last_offset_delta, header.base_sequence, header.producer_id) == (0, -1, 7)
    [record] = decode_records(header, payload)
    assert record.key == struct.pack(">hh", 0, kind)
    assert decode_marker(record) == marker


def test_other_control_records_are_no_markers() -> None:
    assert decode_marker(Record(0, 0, struct.pack(">hh", 0, 2), b"")) is None
    with pytest.raises(InvalidRecord):
        decode_marker(Record(0, 0, b"\0", b""))
    with pytest.raises(InvalidRecord):
        decode_marker(Record(0, 0, struct.pack(">hh", 0, 1), b"\0\0"))


def test_more_records_than_anybody_sends_are_refused_unread() -> None:
    """A kilobyte of zstd may hold millions; each would cost the broker a microsecond."""
    record = b"\x0e\x00\x00\x00\x02k\x01\x00"
    payload = compress(ZSTD, record * (RECORDS_MAX + 1))
    header, _ = split(encode_batch([Record(0, 0, b"k", None)], base_timestamp_ms=5))
    many = header._replace(records_count=RECORDS_MAX + 1, attributes=ZSTD)
    with pytest.raises(InvalidRecord, match="records"):
        next(iter_records(many, payload))
    few = header._replace(records_count=3, attributes=ZSTD)
    assert len(decode_records(few, compress(ZSTD, record * 3))) == 3
