"""Fetch, offsets by time and epochs, where no other test says it already."""

from typing import Any
from uuid import UUID

import pytest

from data_plane.broker.dispatch import CloseConnection
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.api_versions import ApiVersionsRequest
from data_plane.protocol.messages.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
)
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponsePartition,
)
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
    ListOffsetsResponsePartition,
)
from data_plane.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
)
from data_plane.protocol.records.batch import iter_batches
from data_plane.protocol.records.record import Record, encode_batch
from tests.unit.data_plane.broker.transaction_clients import TransactionalClient
from tests.unit.data_plane.broker.world import (
    NOW_MS,
    Asked,
    World,
    batch_of,
    fetched,
    produced,
)

EPOCH_CODES = ((0, ErrorCode.FENCED_LEADER_EPOCH), (2, ErrorCode.UNKNOWN_LEADER_EPOCH))


@pytest.fixture
def world() -> World:
    """Topic t with offsets 0 to 5 in batches of two."""
    made = World()
    made.create_topic("t")
    for _ in range(3):
        produced(made.produce("t", batch_of(b"a", b"b")))
    return made


def fetch(
    world: World, *rows: FetchRequestPartition, topic: str = "t", version: int = 12, **more: Any
) -> Asked:
    topics = [FetchRequestTopic(topic, world.topic_id(topic), partitions=rows)] if rows else []
    options = {"max_wait_ms": 0, "min_bytes": 1, **more}
    return world.ask(FetchRequest(topics=topics, **options), version)


def at(offset: int, partition: int = 0, **more: Any) -> FetchRequestPartition:
    options = {"partition_max_bytes": 1 << 20, **more}
    return FetchRequestPartition(partition, fetch_offset=offset, **options)


def rows_of(asked: Asked) -> dict[int, FetchResponsePartition]:
    return {
        row.partition_index: row for topic in asked.response().responses for row in topic.partitions
    }


def found(
    world: World, timestamp: int, *, version: int = 8, topic: str = "t", **more: Any
) -> ListOffsetsResponsePartition:
    isolation = more.pop("isolation_level", 0)
    rows = [ListOffsetsRequestPartition(0, timestamp=timestamp, **more)]
    request = ListOffsetsRequest(
        isolation_level=isolation, topics=[ListOffsetsRequestTopic(topic, rows)]
    )
    row = world.ask(request, version).response().topics[0].partitions[0]
    assert isinstance(row, ListOffsetsResponsePartition)
    return row


def delete_before(world: World, offset: int) -> None:
    rows = [DeleteRecordsRequestPartition(0, offset)]
    asked = world.ask(DeleteRecordsRequest([DeleteRecordsRequestTopic("t", rows)], 1_000), 2)
    assert asked.response().topics[0].partitions[0].error_code == 0


@pytest.mark.semantics("25a")
@pytest.mark.parametrize("offset", range(6))
def test_every_offset_within_a_batch_brings_its_whole_batch(world: World, offset: int) -> None:
    """A broker that starts at the next batch loses records (Tansu's first finding)."""
    records = bytes(fetched(world.fetch("t", offset)).records or b"")
    first, header = next(iter(iter_batches(records)))
    assert first == 0
    assert header.base_offset <= offset <= header.last_offset


@pytest.mark.semantics("26a", "26b", "26c")
def test_the_order_of_partitions_is_the_clients(world: World) -> None:
    world.create_topic("wide", partitions=3)
    for partition in range(3):
        produced(world.produce("wide", batch_of(b"x" * 100), partition=partition))
    for order in ((2, 0, 1), (1, 2, 0)):
        asked = fetch(world, *(at(0, one) for one in order), topic="wide", max_bytes=1)
        rows = rows_of(asked)
        assert list(rows) == list(order)
        assert [bool(rows[one].records) for one in order] == [True, False, False]


@pytest.mark.semantics("28e")
@pytest.mark.parametrize("version", [4, 11, 12, 13, 17])
def test_aborted_transactions_are_null_or_a_list_by_isolation(world: World, version: int) -> None:
    relaxed = rows_of(fetch(world, at(0), version=version))[0]
    strict = rows_of(fetch(world, at(0), version=version, isolation_level=1))[0]
    assert relaxed.aborted_transactions is None
    assert strict.aborted_transactions is not None
    assert len(strict.aborted_transactions) == 0


@pytest.mark.semantics("28a", "28b", "69a", "69b")
def test_isolation_decides_how_far_one_sees(world: World) -> None:
    client = TransactionalClient(world, "id")
    client.find()
    client.init()
    client.add(0)
    client.produce(0, b"open")
    relaxed = rows_of(fetch(world, at(6)))[0]
    strict = rows_of(fetch(world, at(6), isolation_level=1))[0]
    assert relaxed.records
    assert not strict.records
    for row in (relaxed, strict):
        assert (row.high_watermark, row.last_stable_offset) == (7, 6)
    client.end(is_commit=True)
    row = rows_of(fetch(world, at(6), isolation_level=1))[0]
    assert row.records
    assert (row.high_watermark, row.last_stable_offset) == (8, 8)


@pytest.mark.semantics("29a", "29b", "29c", "30a")
def test_ranges(world: World) -> None:
    delete_before(world, 2)
    for offset in (0, 1, 7, -1, 1 << 62):
        row = rows_of(fetch(world, at(offset)))[0]
        assert row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE, offset
        assert not row.records
    row = rows_of(fetch(world, at(6)))[0]
    assert (row.error_code, row.records or b"") == (0, b"")
    assert (row.high_watermark, row.last_stable_offset, row.log_start_offset) == (6, 6, 2)
    world.executor.is_held = True
    world.produce("t", batch_of(b"unsafe"), acks=1)
    for offset in (6, 7):
        row = rows_of(fetch(world, at(offset)))[0]
        assert (row.error_code, row.high_watermark, row.records or b"") == (0, 6, b"")


@pytest.mark.semantics("31a", "31b", "31c")
def test_epochs_of_the_leader(world: World) -> None:
    world.restart(lambda world: world.broker.close())
    led = world.broker.image.partition("t", 0)
    assert led is not None
    assert led.leader_epoch == 1
    for epoch, code in (*EPOCH_CODES, (1, 0), (-1, 0)):
        assert rows_of(fetch(world, at(0, current_leader_epoch=epoch)))[0].error_code == code
        assert found(world, -1, current_leader_epoch=epoch).error_code == code
        row = OffsetForLeaderEpochRequestPartition(0, current_leader_epoch=epoch, leader_epoch=0)
        topics = [OffsetForLeaderEpochRequestTopic("t", [row])]
        asked = world.ask(OffsetForLeaderEpochRequest(topics=topics), 4)
        assert asked.response().topics[0].partitions[0].error_code == code


@pytest.mark.semantics("33a", "33b")
def test_where_an_epoch_ended(world: World) -> None:
    world.restart(lambda world: world.broker.close())
    produced(world.produce("t", batch_of(b"c")))
    told = {}
    for epoch in (-1, 0, 1, 2):
        row = OffsetForLeaderEpochRequestPartition(0, leader_epoch=epoch)
        topics = [OffsetForLeaderEpochRequestTopic("t", [row])]
        answer = world.ask(OffsetForLeaderEpochRequest(topics=topics), 3).response()
        row = answer.topics[0].partitions[0]
        told[epoch] = (row.error_code, row.leader_epoch, row.end_offset)
    assert told == {-1: (0, -1, -1), 0: (0, 0, 6), 1: (0, 1, 7), 2: (0, -1, -1)}


@pytest.mark.semantics("32a", "32b", "32c", "32d")
@pytest.mark.parametrize("version", [12, 13, 17])
def test_whose_last_epoch_ended_earlier_hears_where(world: World, version: int) -> None:
    """Epoch 0 wrote offsets 0 to 5, epoch 1 offset 6."""
    world.restart(lambda world: world.broker.close())
    produced(world.produce("t", batch_of(b"c")))

    def ask(offset: int, epoch: int) -> FetchResponsePartition:
        row = at(offset, last_fetched_epoch=epoch)
        asked = fetch(world, row, version=version, max_wait_ms=60_000)
        assert asked.is_answered, "at once"
        return rows_of(asked)[0]

    for offset, epoch in ((3, 0), (6, 0), (6, 1), (3, -1)):
        row = ask(offset, epoch)
        assert row.records, "it fits, or nothing was said"
        assert (row.diverging_epoch.epoch, row.diverging_epoch.end_offset) == (-1, -1)
    for offset in (7, 9):
        row = ask(offset, 0)
        assert (row.error_code, row.records or b"") == (0, b"")
        assert (row.diverging_epoch.epoch, row.diverging_epoch.end_offset) == (0, 6)
    unknown = ask(3, 5)
    assert (unknown.error_code, unknown.records or b"") == (ErrorCode.OFFSET_OUT_OF_RANGE, b"")


@pytest.mark.semantics("32c", "37e")
def test_a_session_goes_on_telling_where_epochs_part(world: World) -> None:
    world.restart(lambda world: world.broker.close())
    begun = fetch(world, at(7, last_fetched_epoch=0), session_epoch=0).response()
    for epoch in (1, 2):
        request = FetchRequest(max_wait_ms=60_000, session_id=begun.session_id, session_epoch=epoch)
        ((topic,),) = (world.ask(request, 12).response().responses,)
        assert topic.partitions[0].diverging_epoch.end_offset == 6


@pytest.mark.semantics("35a")
def test_the_watermark_never_falls(world: World) -> None:
    """Not by a sync that was held, nor by deleted records, nor by a restart of any kind."""
    seen = [6]

    def look() -> None:
        seen.append(rows_of(fetch(world, at(seen[-1])))[0].high_watermark)

    world.executor.is_held = True
    for _ in range(3):
        world.produce("t", batch_of(b"c"), acks=1)
        look()
    world.executor.run()
    look()
    delete_before(world, 4)
    look()
    for stop in (lambda world: world.broker.close(), lambda world: world.files.crash()):
        world.executor.is_held = False
        world.restart(stop)
        look()
    assert seen == sorted(seen)
    assert seen[-1] == 9


@pytest.mark.semantics("37a", "37b", "37c", "37d", "37h", "39a")
@pytest.mark.parametrize("version", [7, 11, 12, 13, 17])
def test_a_session_from_its_beginning_to_its_end(world: World, version: int) -> None:
    none = fetch(world, at(0), version=version, session_id=0, session_epoch=-1).response()
    assert (none.error_code, none.session_id, len(none.responses)) == (0, 0, 1)
    begun = fetch(world, at(6), version=version, session_id=0, session_epoch=0).response()
    session = begun.session_id
    assert session > 0
    row = begun.responses[0].partitions[0]
    assert row.preferred_read_replica == -1

    def go_on(epoch: int, session_id: int = session) -> Any:
        return fetch(world, version=version, session_id=session_id, session_epoch=epoch).response()

    assert not go_on(1).responses
    produced(world.produce("t", batch_of(b"news")))
    (topic,) = go_on(2).responses
    assert topic.partitions[0].high_watermark == 7
    assert go_on(9).error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert go_on(3, session + 1).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert go_on(3).error_code == 0
    closing = go_on(-1)
    assert (closing.error_code, closing.session_id, len(closing.responses)) == (0, 0, 0)
    assert go_on(4).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.semantics("38a", "38b")
def test_a_topic_made_anew_is_another_one(world: World) -> None:
    """Its id is unknown in the old session, and what it holds is not told as the old topic's."""
    begun = fetch(world, at(6), version=13, session_epoch=0).response()
    old_id = begun.responses[0].topic_id
    world.ask(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1_000), 5)
    world.create_topic("t")
    produced(world.produce("t", batch_of(b"new")))
    assert world.topic_id("t") not in {old_id, UUID(int=0)}
    asked = world.ask(
        FetchRequest(max_wait_ms=0, session_id=begun.session_id, session_epoch=1), 13
    ).response()
    (topic,) = asked.responses
    assert topic.topic_id == old_id
    (row,) = topic.partitions
    assert row.error_code == ErrorCode.UNKNOWN_TOPIC_ID
    assert not row.records
    assert rows_of(fetch(world, at(0), version=13))[0].high_watermark == 1


@pytest.mark.semantics("41a", "41b", "41d")
def test_offsets_that_have_names(world: World) -> None:
    delete_before(world, 2)
    world.executor.is_held = True
    world.produce("t", batch_of(b"unsafe"), acks=1)
    assert found(world, -1).offset == 6
    assert found(world, -2).offset == 2
    assert found(world, -4).offset == 2
    for version, timestamp in ((9, -5), (11, -5), (11, -6)):
        nothing = found(world, timestamp, version=version)
        assert (nothing.error_code, nothing.offset, nothing.timestamp) == (0, -1, -1)


@pytest.mark.semantics("41c", "41d")
@pytest.mark.parametrize("version", range(1, 12))
def test_each_name_of_an_offset_came_with_a_version(world: World, version: int) -> None:
    """Before it, and for names that nobody knows, Kafka says UNSUPPORTED_VERSION."""
    since = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9, -6: 11, -7: 99, -1_000: 99}
    known = {name for name in since if not found(world, name, version=version).error_code}
    assert known == {name for name, first in since.items() if version >= first}
    unknown = found(world, -7, version=version)
    assert (unknown.error_code, unknown.offset) == (ErrorCode.UNSUPPORTED_VERSION, -1)


@pytest.mark.semantics("41b")
def test_an_empty_log_begins_in_the_leaders_epoch(world: World) -> None:
    world.create_topic("empty")
    assert found(world, -2, topic="empty").leader_epoch == 0
    world.restart(lambda world: world.broker.close())
    assert found(world, -2, topic="empty").leader_epoch == 1
    assert found(world, -2).leader_epoch == 0, "that of its first record"


def test_a_partition_asked_about_twice_is_an_invalid_request(world: World) -> None:
    rows = [ListOffsetsRequestPartition(0, timestamp=name) for name in (-1, -2)]
    rows.append(ListOffsetsRequestPartition(7, timestamp=-1))
    request = ListOffsetsRequest(topics=[ListOffsetsRequestTopic("t", rows)])
    told = [row.error_code for row in world.ask(request, 5).response().topics[0].partitions]
    twice = ErrorCode.INVALID_REQUEST
    assert told == [twice, twice, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]


@pytest.mark.semantics("41a")
def test_the_latest_offset_by_isolation(world: World) -> None:
    client = TransactionalClient(world, "id")
    client.find()
    client.init()
    client.add(0)
    client.produce(0, b"open")
    assert found(world, -1).offset == 7
    assert found(world, -1, isolation_level=1).offset == 6
    assert found(world, NOW_MS + 1, isolation_level=1).offset == -1


@pytest.mark.semantics("41c", "41e", "41f", "42a", "42b")
@pytest.mark.parametrize("codec", range(5))
def test_a_time_finds_its_record_within_a_batch(codec: int) -> None:
    world = World()
    world.create_topic("t")
    for first in (0, 50):
        records = [Record(index, 10 * (first + index), b"k", b"v", ()) for index in range(50)]
        batch = encode_batch(records, base_timestamp_ms=NOW_MS, compression=codec)
        produced(world.produce("t", batch))
        world.restart(lambda world: world.broker.close())  # so that each batch has its own epoch
    for offset in (0, 1, 49, 50, 51, 98, 99):
        row = found(world, NOW_MS + 10 * offset - 5)
        told = (row.error_code, row.offset, row.timestamp, row.leader_epoch)
        assert told == (0, offset, NOW_MS + 10 * offset, int(offset >= 50))
    beyond = found(world, NOW_MS + 991)
    assert (beyond.error_code, beyond.offset, beyond.timestamp) == (0, -1, -1)
    latest = found(world, -3)
    assert (latest.offset, latest.timestamp, latest.leader_epoch) == (99, NOW_MS + 990, 1)


@pytest.mark.semantics("42a")
def test_an_empty_log_has_no_time(world: World) -> None:
    world.create_topic("empty")
    for timestamp in (-3, 0, NOW_MS):
        row = found(world, timestamp, topic="empty")
        assert (row.error_code, row.offset, row.timestamp) == (0, -1, -1)


@pytest.mark.semantics("43a")
def test_version_0_of_list_offsets_is_not_offered(world: World) -> None:
    rows = world.ask(ApiVersionsRequest(), 0).response().api_keys
    assert [(row.min_version, row.max_version) for row in rows if row.api_key == 2] == [(1, 11)]
    assert 0 not in API_KEYS[2].versions
    with pytest.raises(CloseConnection, match="ListOffsets v0"):
        world.send(2, 0, b"\xff\xff\xff\xff\0\0\0\0")
