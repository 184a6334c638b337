"""Batches whose header or records lie, with a checksum that is right (reliability.md F5).

Method: every field of a good batch is set to telling values, records are damaged, and the checksum
is made anew. What breaks a rule must be refused with its code and leave the log as it was; what is
kept must not move any offset but its own.
"""

import random
import struct
from collections import Counter
from typing import Any

import crc32c

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    CRC_AT,
    BatchHeader,
)
from tests.fuzz.watch import Tell, faults, no_hang, silent
from tests.unit.data_plane.broker.world import NOW_MS, World, batch_of, fetched, produced

FIELDS = BatchHeader._fields
VALUES = (-1, 0, 1, 2, 3, 5, 100, 0x7FFF, -0x8000, 0x7FFF_FFFF, -0x8000_0000, 1 << 62, -(1 << 62))
WIDTHS = dict(zip(FIELDS, (64, 32, 32, 8, 32, 16, 32, 64, 64, 64, 16, 32, 32), strict=True))
UNSIGNED = {"crc"}
TOPICS: dict[str, Any] = {"plain": {}, "compacted": {"cleanup_policy": "compact"}}
REFUSALS = (
    ErrorCode.INVALID_RECORD,
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.INVALID_TIMESTAMP,
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.INVALID_TXN_STATE,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)


def run(count: int, seed: int, tell: Tell = silent) -> Counter[str]:
    """Produce `count` lies; return the codes. Raises AssertionError."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    world = World()
    for name, configs in TOPICS.items():
        world.create_topic(name, **configs)
    with faults() as found:
        for _ in range(count):
            outcomes[one_lie(rng, world)] += 1
            assert not found.found, (seed, found.found[:3])
            tell(1)
    return outcomes


def one_lie(rng: random.Random, world: World) -> str:
    topic = rng.choice(list(TOPICS))
    data = lie(rng)
    log = world.broker.partition(topic, 0).log
    before = log.log_end_offset, log.size_bytes
    with no_hang(data.hex()):
        row = produced(world.produce(topic, data, version=9))
        world.settle()
    after = log.log_end_offset, log.size_bytes
    if row.error_code != ErrorCode.NONE:
        assert row.error_code in REFUSALS, (row, data.hex())
        assert after == before, (row, data.hex())
        return ErrorCode(row.error_code).name
    header = BatchHeader._make(BATCH_HEADER.unpack_from(data))
    assert_rules(header, len(data), data.hex())
    if row.base_offset == before[0]:  # Else a repeat of an idempotent producer's batch.
        assert after == (before[0] + header.records_count, before[1] + len(data)), data.hex()
        assert fetched(world.fetch(topic, before[0], max_wait_ms=0)).error_code == ErrorCode.NONE
    return "kept"


def assert_rules(header: BatchHeader, size_bytes: int, text: str) -> None:
    """What may be in a log, said once more and in other words than the broker's own."""
    assert header.magic == 2, text
    assert header.batch_length == size_bytes - 12, text
    assert header.records_count >= 1, text
    assert header.last_offset_delta == header.records_count - 1, text
    assert header.attributes & 0x20 == 0, text
    assert header.attributes & 0x07 <= 4, text
    assert header.attributes & 0x08 == 0, text
    if header.producer_id != -1:
        assert min(header.producer_id, header.producer_epoch, header.base_sequence) >= 0, text
    assert header.max_timestamp <= NOW_MS + 3_600_000, text


def lie(rng: random.Random) -> bytes:
    """A batch with one to three fields or bytes changed, and mostly its checksum put right."""
    values = [rng.randbytes(rng.randrange(20)) for _ in range(rng.randint(1, 3))]
    producer = {"producer_id": 5, "producer_epoch": 0, "base_sequence": rng.randrange(4)}
    data = bytearray(batch_of(*values, **(producer if rng.random() < 0.3 else {})))
    fields = dict(zip(FIELDS, BATCH_HEADER.unpack_from(data), strict=True))
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.3:
            data[rng.randrange(BATCH_HEADER_BYTES, len(data))] = rng.randrange(256)
            continue
        name = rng.choice(FIELDS)
        fields[name] = fitting(rng.choice((*VALUES, fields[name] + rng.choice((-1, 1)))), name)
    BATCH_HEADER.pack_into(data, 0, *fields.values())
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data))] if rng.random() < 0.5 else data * 2
    if len(data) > ATTRIBUTES_AT and rng.random() < 0.9:
        struct.pack_into(">I", data, CRC_AT, crc32c.crc32c(bytes(data[ATTRIBUTES_AT:])))
    return bytes(data)


def fitting(value: int, name: str) -> int:
    """The value as the field's width can hold it."""
    width = WIDTHS[name]
    value &= (1 << width) - 1
    return value if name in UNSIGNED or value < 1 << (width - 1) else value - (1 << width)
