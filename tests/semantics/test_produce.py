"""Produce, clause by clause, where no test of its handler or of the log says it already."""

import struct

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
)
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.incremental_alter_configs import (
    SET,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from data_plane.protocol.records.batch import check_crc, read_header
from data_plane.protocol.records.compression import GZIP
from data_plane.protocol.records.record import Record, encode_batch
from tests.unit.data_plane.broker.transaction_clients import GROUP, TransactionalClient
from tests.unit.data_plane.broker.world import (
    NOW_MS,
    Asked,
    World,
    batch_of,
    fetched,
    produced,
)

PID = 4_000


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t")
    return made


def idempotent(world: World, sequence: int, *values: bytes, epoch: int = 0) -> Asked:
    batch = batch_of(*values, producer_id=PID, producer_epoch=epoch, base_sequence=sequence)
    return world.produce("t", batch)


def code(asked: Asked) -> ErrorCode:
    return ErrorCode(produced(asked).error_code)


@pytest.mark.semantics("13a")
@pytest.mark.parametrize("version", [3, 8, 9, 12])
@pytest.mark.parametrize("records", [None, b"", batch_of(b"a") * 2], ids=["null", "empty", "two"])
def test_none_or_two_batches_are_an_invalid_record(
    world: World, version: int, records: bytes | None
) -> None:
    row = produced(world.produce("t", records, version=version))
    assert row.error_code == ErrorCode.INVALID_RECORD
    assert row.base_offset == -1
    assert fetched(world.fetch("t", 0, max_wait_ms=0)).high_watermark == 0


@pytest.mark.semantics("13b")
@pytest.mark.parametrize("magic", [0, 1, 3])
def test_other_magics_are_an_invalid_record(world: World, magic: int) -> None:
    batch = bytearray(batch_of(b"a"))
    batch[16] = magic
    assert code(world.produce("t", bytes(batch))) == ErrorCode.INVALID_RECORD


@pytest.mark.semantics("13d")
def test_the_checksum_covers_all_from_the_attributes_on(world: World) -> None:
    """What stands before them is the leader's to write, and may be anything."""
    whole = batch_of(b"abc")
    for at in range(21, len(whole)):
        batch = bytearray(whole)
        batch[at] ^= 0x40
        assert code(world.produce("t", bytes(batch))) == ErrorCode.CORRUPT_MESSAGE, at
    free = bytearray(whole)
    struct.pack_into(">q", free, 0, 123_456)  # base offset
    struct.pack_into(">i", free, 12, 99)  # partition leader epoch
    assert produced(world.produce("t", bytes(free))).base_offset == 0


@pytest.mark.semantics("14b")
def test_the_default_limit_is_kafkas(world: World) -> None:
    """1 MiB and the 12 bytes in front of a batch."""
    assert LogConfig().message_bytes_max == 1_048_588
    overhead = len(batch_of(b"x" * 1_000_000)) - 1_000_000
    fits = batch_of(b"x" * (1_048_588 - overhead))
    assert len(fits) == 1_048_588
    assert code(world.produce("t", fits)) == ErrorCode.NONE
    larger = batch_of(b"x" * (1_048_589 - overhead))
    assert code(world.produce("t", larger)) == ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.semantics("14a")
def test_what_counts_is_the_compressed_size(world: World) -> None:
    world.create_topic("small", max_message_bytes="1000")
    assert code(world.produce("small", batch_of(b"x" * 20_000, compression=GZIP))) == 0
    assert code(world.produce("small", batch_of(b"x" * 2_000))) == ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.semantics("15a", "15c")
def test_the_leader_writes_offset_and_epoch_under_a_checksum_that_holds(world: World) -> None:
    produced(world.produce("t", batch_of(b"a", b"b")))
    produced(world.produce("t", batch_of(b"c")))
    world.restart(lambda world: world.broker.close())
    produced(world.produce("t", batch_of(b"d")))
    kept = bytes(fetched(world.fetch("t", 3)).records or b"")
    header = read_header(kept)
    led = world.broker.image.partition("t", 0)
    assert led is not None
    assert (header.base_offset, header.partition_leader_epoch) == (3, led.leader_epoch)
    assert led.leader_epoch > 0
    check_crc(memoryview(kept), 0, header)


@pytest.mark.semantics("16a", "16b")
@pytest.mark.parametrize("version", [3, 7, 8, 9, 12])
def test_records_without_keys_are_named_from_v8_on(world: World, version: int) -> None:
    world.create_topic("compacted", cleanup_policy="compact")
    records = [Record(0, 0, b"k", b"a", ()), Record(1, 0, None, b"b", ()), Record(2, 0, None, b"c")]
    batch = encode_batch(records, base_timestamp_ms=NOW_MS)
    row = produced(world.produce("compacted", batch, version=version))
    assert row.error_code == ErrorCode.INVALID_RECORD
    named = [one.batch_index for one in row.record_errors]
    assert named == ([1, 2] if version >= 8 else [])
    assert bool(row.error_message) == (version >= 8)
    assert fetched(world.fetch("compacted", 0, max_wait_ms=0)).high_watermark == 0
    with_key = encode_batch(records[:1], base_timestamp_ms=NOW_MS)
    assert produced(world.produce("compacted", with_key, version=version)).error_code == 0


@pytest.mark.semantics("17a", "17d")
def test_a_producers_own_times_are_kept(world: World) -> None:
    records = [Record(0, 0, b"k", b"a", ()), Record(1, -500, b"k", b"b", ())]
    row = produced(world.produce("t", encode_batch(records, base_timestamp_ms=NOW_MS - 9_000)))
    assert row.log_append_time_ms == -1
    header = read_header(bytes(fetched(world.fetch("t", 0)).records or b""))
    assert (header.base_timestamp, header.max_timestamp) == (NOW_MS - 9_000, NOW_MS - 9_000)
    assert header.timestamp_type == 0


@pytest.mark.semantics("17b")
def test_times_are_bound_on_both_sides(world: World) -> None:
    world.create_topic(
        "bound",
        message_timestamp_before_max_ms="1000",
        message_timestamp_after_max_ms="2000",
    )
    for delta_ms, wanted in (
        (-1_001, ErrorCode.INVALID_TIMESTAMP),
        (-1_000, ErrorCode.NONE),
        (2_000, ErrorCode.NONE),
        (2_001, ErrorCode.INVALID_TIMESTAMP),
    ):
        record = Record(0, 0, b"k", b"v", ())
        batch = encode_batch([record], base_timestamp_ms=NOW_MS + delta_ms)
        assert code(world.produce("bound", batch)) == wanted, delta_ms


@pytest.mark.semantics("17b", "16b")
@pytest.mark.parametrize("version", [3, 7, 8, 9, 12])
def test_records_out_of_time_are_named_from_v8_on(world: World, version: int) -> None:
    world.create_topic("bound", message_timestamp_before_max_ms="1000")
    records = [
        Record(at, delta, b"k", b"v", ()) for at, delta in enumerate((0, -2_000, -1, -9_000))
    ]
    row = produced(
        world.produce("bound", encode_batch(records, base_timestamp_ms=NOW_MS), version=version)
    )
    assert row.error_code == ErrorCode.INVALID_TIMESTAMP
    assert [one.batch_index for one in row.record_errors] == ([1, 3] if version >= 8 else [])
    ahead = [Record(at, delta, b"k", b"v", ()) for at, delta in enumerate((0, 7_200_000))]
    batch = encode_batch(ahead, base_timestamp_ms=NOW_MS)
    row = produced(world.produce("t", batch, version=version))
    assert row.error_code == ErrorCode.INVALID_TIMESTAMP
    assert [one.batch_index for one in row.record_errors] == ([1] if version >= 8 else [])


@pytest.mark.semantics("13a", "13c")
@pytest.mark.parametrize("bytes_left", [1, 30, 60, 61, 70])
def test_a_part_of_a_batch_is_no_batch(world: World, bytes_left: int) -> None:
    part = batch_of(b"some value")[:bytes_left]
    assert code(world.produce("t", part)) == ErrorCode.INVALID_RECORD


@pytest.mark.semantics("17c", "17d", "20b")
def test_a_repeat_tells_the_time_of_the_first_append(world: World) -> None:
    world.create_topic("stamped", message_timestamp_type="LogAppendTime")
    batch = batch_of(b"a", producer_id=PID, producer_epoch=0, base_sequence=0)
    first = produced(world.produce("stamped", batch))
    assert first.log_append_time_ms == NOW_MS
    world.sleep(5_000)
    again = produced(world.produce("stamped", batch))
    assert (again.error_code, again.base_offset) == (0, 0)
    assert again.log_append_time_ms == NOW_MS
    header = read_header(bytes(fetched(world.fetch("stamped", 0)).records or b""))
    assert (header.timestamp_type, header.max_timestamp) == (1, NOW_MS)


@pytest.mark.semantics("20a", "20c", "20f")
def test_six_batches_back_is_out_of_order_and_never_a_duplicate(world: World) -> None:
    for sequence in range(6):
        assert code(idempotent(world, sequence, b"v")) == ErrorCode.NONE
    told = [code(idempotent(world, sequence, b"v")) for sequence in range(6)]
    assert told == [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, *[ErrorCode.NONE] * 5]
    assert fetched(world.fetch("t", 0)).high_watermark == 6


@pytest.mark.semantics("20e")
def test_the_sequence_goes_on_at_zero(world: World) -> None:
    top = (1 << 31) - 1
    assert code(idempotent(world, top - 1, b"a")) == ErrorCode.NONE
    assert code(idempotent(world, top, b"b", b"c")) == ErrorCode.NONE  # top and 0
    assert code(idempotent(world, 0, b"d")) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert code(idempotent(world, 1, b"d")) == ErrorCode.NONE
    assert produced(idempotent(world, top, b"b", b"c")).base_offset == 1


@pytest.mark.semantics("21a", "21b")
def test_epochs_on_produce(world: World) -> None:
    assert code(idempotent(world, 0, b"a", epoch=3)) == ErrorCode.NONE
    assert code(idempotent(world, 1, b"b", epoch=4)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert code(idempotent(world, 0, b"b", epoch=4)) == ErrorCode.NONE
    assert code(idempotent(world, 1, b"c", epoch=3)) == ErrorCode.INVALID_PRODUCER_EPOCH


@pytest.mark.semantics("21c")
def test_a_fenced_producer_hears_it_in_the_words_of_its_version() -> None:
    world = World()
    world.create_topic("t")
    old, new = (TransactionalClient(world, "id") for _ in range(2))
    world.ask(FindCoordinatorRequest(GROUP), 3)
    old.find()
    assert old.init() == ErrorCode.NONE
    assert new.init() == ErrorCode.NONE
    before, now = ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED
    assert [old.ask_init(version=version) for version in (3, 4, 5)] == [before, now, now]
    assert [old.add_partitions(0, version=version) for version in (1, 2, 3)] == [before, now, now]
    assert [old.add_offsets(version) for version in (1, 2, 3)] == [before, now, now]
    assert [old.end(is_commit=True, version=version) for version in (1, 2, 3)] == [before, now, now]
    assert old.produce(0, b"late") == before


@pytest.mark.semantics("22a", "22c")
def test_a_producer_is_forgotten_after_a_day(world: World) -> None:
    assert code(idempotent(world, 0, b"a")) == ErrorCode.NONE
    world.sleep(86_400_000 - 1)
    assert code(idempotent(world, 7, b"b")) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    world.sleep(86_400_000 + 600_000)  # and one round of upkeep, which forgets
    assert code(idempotent(world, 7, b"b")) == ErrorCode.NONE


@pytest.mark.semantics("22a")
def test_how_long_a_producer_is_remembered_can_be_said() -> None:
    """By a setting of the broker, and by another one while it runs."""
    world = World(producer_id_expiration_ms="1000")
    world.create_topic("t")
    assert code(idempotent(world, 0, b"a")) == ErrorCode.NONE
    world.sleep(600_000)  # a round of upkeep
    assert code(idempotent(world, 7, b"b")) == ErrorCode.NONE
    change = IncrementalAlterConfigsRequestConfig("producer.id.expiration.ms", SET, "2000000")
    resource = IncrementalAlterConfigsRequestResource(4, "", [change])
    asked = world.ask(IncrementalAlterConfigsRequest([resource]), 1)
    world.settle()
    assert asked.response().responses[0].error_code == 0
    world.sleep(600_000)
    assert code(idempotent(world, 19, b"b")) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.semantics("22b", "23a")
def test_a_producer_whose_records_were_deleted_goes_on(world: World) -> None:
    """Older brokers answered UNKNOWN_PRODUCER_ID, which lost idempotence (KIP-360)."""
    for sequence in range(3):
        assert code(idempotent(world, sequence, b"v")) == ErrorCode.NONE
    row = DeleteRecordsRequestPartition(0, -1)
    asked = world.ask(DeleteRecordsRequest([DeleteRecordsRequestTopic("t", [row])], 1_000), 2)
    assert asked.response().topics[0].partitions[0].low_watermark == 3
    assert code(idempotent(world, 3, b"v")) == ErrorCode.NONE
    world.restart(lambda world: world.broker.close())
    assert code(idempotent(world, 4, b"v")) == ErrorCode.NONE
    assert produced(idempotent(world, 3, b"v")).base_offset == 3


@pytest.mark.semantics("24a")
@pytest.mark.parametrize("version", [3, 9, 12, 13])
def test_unknown_topics_ids_and_partitions(world: World, version: int) -> None:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    absent = ErrorCode.UNKNOWN_TOPIC_ID if version >= 13 else unknown
    assert code(world.produce("absent", batch_of(b"a"), version=version)) == absent
    for partition in (1, -1):
        asked = world.produce("t", batch_of(b"a"), version=version, partition=partition)
        assert code(asked) == unknown
