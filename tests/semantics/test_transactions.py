"""Transactions over the wire, where no other test says a clause."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.find_coordinator import TRANSACTION, FindCoordinatorRequest
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from data_plane.protocol.messages.list_transactions import ListTransactionsRequest
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, iter_batches
from data_plane.protocol.records.record import decode_records
from tests.unit.data_plane.broker.transaction_clients import (
    TransactionalClient,
    fetch,
    read_committed,
)
from tests.unit.data_plane.broker.world import World

TRANSACTIONS = "__transaction_state"
CONTROL, TRANSACTIONAL = 1 << 5, 1 << 4


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", 2)
    return made


@pytest.fixture
def client(world: World) -> TransactionalClient:
    made = TransactionalClient(world, "id")
    made.find()
    assert made.init() == ErrorCode.NONE
    return made


def end_offset(world: World) -> int:
    rows = [ListOffsetsRequestPartition(0, timestamp=-1)]
    asked = world.ask(ListOffsetsRequest(topics=[ListOffsetsRequestTopic("t", rows)]), 6)
    offset: int = asked.response().topics[0].partitions[0].offset
    return offset


@pytest.mark.semantics("65a")
def test_an_id_has_a_partition_of_the_transactions_topic(world: World) -> None:
    assert world.broker.image.topic(TRANSACTIONS) is None
    world.ask(FindCoordinatorRequest("id", TRANSACTION), 3)
    world.settle()
    assert world.broker.image.topic(TRANSACTIONS) is not None
    TransactionalClient(world, "id").init()
    topic = world.broker.image.topic(TRANSACTIONS)
    assert topic is not None
    written = [
        index
        for index in range(len(topic.partitions))
        if world.broker.partition(TRANSACTIONS, index).high_watermark
    ]
    assert len(written) == 1


@pytest.mark.semantics("68a", "68b")
@pytest.mark.parametrize("is_commit", [True, False])
def test_a_marker_is_one_control_record(
    world: World, client: TransactionalClient, is_commit: bool
) -> None:
    """One offset and no more: else a consumer's lag never becomes zero (redpanda 13364)."""
    client.add(0)
    client.produce(0, b"a", b"b")
    client.end(is_commit=is_commit)
    assert end_offset(world) == 3
    answer = fetch(world, "t", 0, 2, isolation=0, bytes_max=1 << 20)
    view = memoryview(bytes(answer.records or b""))
    ((at, header),) = iter_batches(view)
    assert header.attributes == CONTROL | TRANSACTIONAL
    assert (header.base_offset, header.records_count, header.base_sequence) == (2, 1, -1)
    assert (header.producer_id, header.producer_epoch) == (client.producer_id, 0)
    (record,) = decode_records(header, view[at + BATCH_HEADER_BYTES : at + header.size_bytes])
    assert record.key == b"\0\0\0" + bytes([is_commit])
    assert record.value is not None
    assert len(record.value) == 6
    assert record.value[:2] == b"\0\0"


@pytest.mark.semantics("69d", "28c")
def test_an_aborted_transaction_is_listed_wherever_it_overlaps(
    world: World, client: TransactionalClient
) -> None:
    client.add(0)
    for value in (b"0", b"1", b"2"):
        client.produce(0, value)
    client.end(is_commit=False)
    client.add(0)
    client.produce(0, b"4")
    client.end(is_commit=True)
    listed = {}
    for offset in range(6):
        answer = fetch(world, "t", 0, offset, isolation=1, bytes_max=1 << 20)
        listed[offset] = [
            (row.producer_id, row.first_offset) for row in answer.aborted_transactions or ()
        ]
    mine = [(client.producer_id, 0)]
    assert listed == {0: mine, 1: mine, 2: mine, 3: mine, 4: [], 5: []}
    assert read_committed(world, "t", 0) == [b"4"]


@pytest.mark.semantics("66a")
@pytest.mark.parametrize("version", range(6))
def test_a_timeout_above_the_limit(world: World, version: int) -> None:
    world.ask(FindCoordinatorRequest("id", TRANSACTION), 3)
    world.settle()
    for timeout_ms, code in ((900_001, ErrorCode.INVALID_TRANSACTION_TIMEOUT), (900_000, 0)):
        asked = world.ask(InitProducerIdRequest("id", timeout_ms, -1, -1), version)
        world.settle()
        assert asked.response().error_code == code
    for timeout_ms in (0, -1):
        asked = world.ask(InitProducerIdRequest("id", timeout_ms, -1, -1), version)
        world.settle()
        assert asked.response().error_code == ErrorCode.INVALID_TRANSACTION_TIMEOUT


@pytest.mark.semantics("67a")
def test_states_as_tools_see_them(world: World, client: TransactionalClient) -> None:
    def states(*wanted: str) -> list[str]:
        asked = world.ask(ListTransactionsRequest(state_filters=wanted), 1)
        world.settle()
        return [row.transaction_state for row in asked.response().transaction_states]

    assert states() == ["Empty"]
    client.add(0)
    assert states() == states("Ongoing") == ["Ongoing"]
    client.end(is_commit=True)
    assert states() == ["CompleteCommit"]
    client.add(0)
    client.end(is_commit=False)
    assert states("CompleteAbort", "Empty") == ["CompleteAbort"]
    assert states("Ongoing") == []


@pytest.mark.semantics("72a", "72b")
@pytest.mark.parametrize("version", range(5))
def test_an_end_that_is_asked_for_again(
    world: World, client: TransactionalClient, version: int
) -> None:
    client.add(0)
    client.produce(0, b"a")
    assert client.end(is_commit=True, version=version) == ErrorCode.NONE
    assert client.end(is_commit=True, version=version) == ErrorCode.NONE
    assert client.end(is_commit=False, version=version) == ErrorCode.INVALID_TXN_STATE
    assert end_offset(world) == 2
