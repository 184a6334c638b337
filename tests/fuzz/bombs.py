"""Batches that are small and become large, by every way that reads records (reliability.md F4).

Ways: the check of a compacted topic, of a topic with an oldest timestamp, of a topic with a codec
of its own; ListOffsets by time; compaction. Whatever the shape, the broker answers, its memory
stays within a bound, and it serves on.
"""

import gzip
import random
import struct
from collections import Counter
from typing import Any

import crc32c
import lz4.frame
import zstandard

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from data_plane.protocol.primitives import uvarint
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    CRC_AT,
    LOG_OVERHEAD_BYTES,
    MAGIC,
)
from data_plane.protocol.records.record import RECORDS_BYTES_MAX
from tests.fuzz.watch import faults, forget_peak, no_hang, peak_resident_bytes, resident_bytes
from tests.unit.data_plane.broker.world import NOW_MS, World, batch_of, produced

# The decompressed bytes, pieces of them while they are joined, and compaction's view of a million
# records, which is a process of its own in production.
PEAK_BYTES_MAX = 4 * RECORDS_BYTES_MAX
BOMB_BYTES = 200 * 1024 * 1024
RECORD = b"\x0e\x00\x00\x00\x02k\x01\x00"  # the key "k" and no value, in eight bytes
MANY = 8_000_000
TOPICS: dict[str, Any] = {
    "compacted": {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0"},
    "bounded": {"message_timestamp_before_max_ms": "1000"},
    "recoded": {"compression_type": "gzip"},
    "plain": {},
}
TIME_ANSWERS = (ErrorCode.NONE, ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT)
ANSWERS = (
    ErrorCode.NONE,
    ErrorCode.INVALID_RECORD,
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.MESSAGE_TOO_LARGE,
    ErrorCode.INVALID_TIMESTAMP,
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
)


def run(seed: int, share: float = 1.0) -> Counter[str]:
    """Every bomb by every way, or a share of them; return the codes they were answered with."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    cases = [(name, topic) for name in bombs(1) for topic in TOPICS]
    chosen = cases if share >= 1 else rng.sample(cases, max(1, int(len(cases) * share)))
    made = bombs(BOMB_BYTES if share >= 1 else BOMB_BYTES // 2)
    with faults() as found:
        for name, topic in chosen:
            codec, count, payload = made[name]
            outcomes += one(f"{name} to {topic}", topic, batch(codec, count, payload))
            assert not found.found, (name, topic, found.found[:3])
    return outcomes


def one(what: str, topic: str, data: bytes) -> Counter[str]:
    """Produce it, ask for a time within it, compact it; then the broker must still serve."""
    world = World()
    for name, configs in TOPICS.items():
        world.create_topic(name, max_message_bytes="8000000", segment_ms="1000", **configs)
    forget_peak()
    before_bytes = resident_bytes()
    with no_hang(what, 60):
        row = produced(world.produce(topic, data, version=9))
        assert row.error_code in ANSWERS, (what, row)
        rows = [ListOffsetsRequestPartition(0, timestamp=NOW_MS)]
        request = ListOffsetsRequest(topics=[ListOffsetsRequestTopic(topic, rows)])
        told = world.ask(request, 6).response().topics[0].partitions[0]
        assert told.error_code in TIME_ANSWERS, (what, told)
        world.sleep(2_000)
        produced(world.produce(topic, batch_of(b"after")))
        for _ in range(4):
            world.sleep(60_000)
            world.settle()
    peak_bytes = peak_resident_bytes() - before_bytes
    assert peak_bytes <= PEAK_BYTES_MAX, f"{what}: {peak_bytes:,} bytes at the peak"
    assert not world.failures, (what, world.failures)
    world.create_topic("afterwards")
    assert produced(world.produce("afterwards", batch_of(b"x"))).error_code == ErrorCode.NONE
    return Counter([ErrorCode(row.error_code).name])


def bombs(size_bytes: int) -> dict[str, tuple[int, int, bytes]]:
    """Name -> codec, the record count that the batch claims, compressed records."""
    zeros = bytes(size_bytes)
    many = RECORD * (MANY if size_bytes > 1 else 1)
    frame = zstandard.ZstdCompressor(level=3)
    wide = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27)
    )
    small = codecs.compress(codecs.SNAPPY, RECORD * 10)
    return {
        "gzip of zeros": (codecs.GZIP, 1, gzip.compress(zeros, 6)),
        "lz4 of zeros": (codecs.LZ4, 1, lz4.frame.compress(zeros)),
        "zstd of zeros": (codecs.ZSTD, 1, frame.compress(zeros)),
        "zstd with a window of 128 MB": (codecs.ZSTD, 1, wide.compress(zeros)),
        "snappy of zeros": (codecs.SNAPPY, 1, codecs.compress(codecs.SNAPPY, zeros[: 60 << 20])),
        "zstd frames in a row": (codecs.ZSTD, 1, frame.compress(zeros[: 1 << 20]) * 100),
        "lz4 frames in a row": (codecs.LZ4, 1, lz4.frame.compress(zeros[: 1 << 20]) * 100),
        "gzip members in a row": (codecs.GZIP, 1, gzip.compress(zeros[: 1 << 20]) * 100),
        "many records in zstd": (codecs.ZSTD, len(many) // 8, frame.compress(many)),
        "many records in gzip": (codecs.GZIP, len(many) // 8, gzip.compress(many, 1)),
        "a million records in lz4": (codecs.LZ4, 10**6, lz4.frame.compress(RECORD * 10**6)),
        "a count that lies": (codecs.GZIP, 2**31 - 1, gzip.compress(RECORD)),
        "a snappy size that lies": (codecs.SNAPPY, 1, uvarint(2**31 - 1) + b"\x00" * 20),
        "a snappy frame cut": (codecs.SNAPPY, 10, small[: len(small) // 2]),
        "an lz4 size that lies": (codecs.LZ4, 1, lying_lz4()),
        "a zstd frame cut": (codecs.ZSTD, 1, frame.compress(zeros)[:-3]),
    }


def lying_lz4() -> bytes:
    """A frame whose header claims a content of 2^60 bytes."""
    frame = bytearray(lz4.frame.compress(b"x" * 100, store_size=True))
    struct.pack_into("<Q", frame, 6, 1 << 60)
    return bytes(frame)


def batch(codec: int, count: int, payload: bytes) -> bytes:
    """A batch with a right checksum around whatever it is."""
    out = bytearray(BATCH_HEADER_BYTES)
    length = BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES + len(payload)
    fields = (0, length, -1, MAGIC, 0, codec, count - 1, NOW_MS, NOW_MS, -1, -1, -1, count)
    BATCH_HEADER.pack_into(out, 0, *fields)
    out += payload
    struct.pack_into(">I", out, CRC_AT, crc32c.crc32c(bytes(out[ATTRIBUTES_AT:])))
    return bytes(out)
