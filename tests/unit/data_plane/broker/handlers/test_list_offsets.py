"""ListOffsets: by name of a place, by time, per version."""

import struct

import crc32c
import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.list_offsets import (
    EARLIEST_LOCAL_TIMESTAMP,
    EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
    ListOffsetsResponsePartition,
)
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.batch import ATTRIBUTES_AT, BATCH_HEADER_BYTES, CRC_AT
from data_plane.protocol.records.record import Record, encode_batch
from tests.unit.data_plane.broker.world import NOW_MS, World, batch_of, produced


@pytest.fixture
def world() -> World:
    """Offsets 0-2 at NOW, NOW+10, NOW+20 in one batch, then offset 3 at NOW+5."""
    made = World()
    made.create_topic("t")
    records = [Record(at, at * 10, b"k", b"v", ()) for at in range(3)]
    produced(made.produce("t", encode_batch(records, base_timestamp_ms=NOW_MS)))
    late = encode_batch([Record(0, 0, b"k", b"v", ())], base_timestamp_ms=NOW_MS + 5)
    produced(made.produce("t", late))
    return made


def found(
    world: World, timestamp: int, *, version: int = 7, topic: str = "t", epoch: int = -1
) -> ListOffsetsResponsePartition:
    wanted = ListOffsetsRequestPartition(0, epoch, timestamp)
    asked = world.ask(
        ListOffsetsRequest(topics=[ListOffsetsRequestTopic(topic, [wanted])]), version
    )
    row: ListOffsetsResponsePartition = asked.response().topics[0].partitions[0]
    return row


@pytest.mark.semantics("41a", "41b")
@pytest.mark.parametrize("version", range(1, 12))
def test_each_version_tells_both_ends(world: World, version: int) -> None:
    assert found(world, EARLIEST_TIMESTAMP, version=version).offset == 0
    assert found(world, LATEST_TIMESTAMP, version=version).offset == 4


@pytest.mark.semantics("41e")
@pytest.mark.parametrize(
    ("timestamp", "offset", "told_timestamp"),
    [
        (NOW_MS - 1, 0, NOW_MS),
        (NOW_MS, 0, NOW_MS),
        (NOW_MS + 1, 1, NOW_MS + 10),
        (NOW_MS + 20, 2, NOW_MS + 20),
        (NOW_MS + 21, -1, -1),
        (MAX_TIMESTAMP, 2, NOW_MS + 20),
        (EARLIEST_LOCAL_TIMESTAMP, 0, -1),
        (LATEST_TIERED_TIMESTAMP, -1, -1),
    ],
)
def test_offsets_by_time(world: World, timestamp: int, offset: int, told_timestamp: int) -> None:
    row = found(world, timestamp, version=11)
    assert (row.error_code, row.offset, row.timestamp) == (0, offset, told_timestamp)


@pytest.mark.semantics("41a")
def test_what_is_not_committed_is_not_found(world: World) -> None:
    world.executor.is_held = True
    world.produce("t", batch_of(b"x"), acks=1)
    assert found(world, LATEST_TIMESTAMP).offset == 4


@pytest.mark.semantics("41f")
def test_the_epoch_told_is_the_records_own(world: World) -> None:
    """redpanda#30347: the current epoch instead breaks the detection of truncation."""
    world.restart(lambda old: old.broker.close())
    produced(world.produce("t", batch_of(b"x")))
    assert found(world, NOW_MS).leader_epoch == 0
    assert found(world, LATEST_TIMESTAMP).leader_epoch == 1


@pytest.mark.parametrize(
    ("topic", "epoch", "code"),
    [
        ("missing", -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 5, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
)
def test_errors(world: World, topic: str, epoch: int, code: ErrorCode) -> None:
    assert found(world, LATEST_TIMESTAMP, topic=topic, epoch=epoch).error_code == code


def test_records_that_nobody_can_open_have_no_times(world: World) -> None:
    """The batch is as its producer made it, its checksum right; a client knows this error."""
    records = [Record(0, 0, b"k", bytes(100), ())]
    batch = encode_batch(records, base_timestamp_ms=NOW_MS + 50, compression=codecs.GZIP)
    damaged = bytearray(batch)
    damaged[BATCH_HEADER_BYTES] ^= 0xFF  # gzip's first byte
    struct.pack_into(">I", damaged, CRC_AT, crc32c.crc32c(bytes(damaged[ATTRIBUTES_AT:])))
    produced(world.produce("t", bytes(damaged)))
    row = found(world, NOW_MS + 50)
    assert (row.error_code, row.offset) == (ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, -1)
    assert found(world, NOW_MS).offset == 0
