"""Transactions over a whole broker: codes by version, order of writes, offsets, admin, faults."""

import errno
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from data_plane.broker.dispatch import Session
from data_plane.broker.loopback import internal_session
from data_plane.broker.transaction_coordinators import RETRY_MS
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from data_plane.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnRequestTopic,
    AddPartitionsToTxnRequestTransaction,
)
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersRequestTopic,
)
from data_plane.protocol.messages.describe_transactions import DescribeTransactionsRequest
from data_plane.protocol.messages.end_txn import EndTxnRequest
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.list_transactions import ListTransactionsRequest
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.messages.write_txn_markers import (
    WriteTxnMarkersRequest,
    WriteTxnMarkersRequestMarker,
    WriteTxnMarkersRequestTopic,
)
from data_plane.replication.waiting import Parked
from tests.unit.data_plane.broker.transaction_clients import (
    GROUP,
    TIMEOUT_MS,
    TransactionalClient,
    code_of,
    committed_offset,
    read_committed,
)
from tests.unit.data_plane.broker.world import Asked, World, batch_of, produced

E = ErrorCode
DAY_MS = 86_400_000


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", 3)
    made.ask(FindCoordinatorRequest(key=GROUP), 3)
    made.settle()
    return made


def client(world: World, transactional_id: str = "id") -> TransactionalClient:
    made = TransactionalClient(world, transactional_id)
    made.find()
    assert made.init() is E.NONE
    return made


def writing(world: World, *values: bytes) -> TransactionalClient:
    """A client with an open transaction on partition 0."""
    made = client(world)
    assert made.add(0) is E.NONE
    assert made.produce(0, *(values or (b"v",))) is E.NONE
    return made


def end_offset(world: World, partition: int = 0) -> int:
    return world.broker.partition("t", partition).log.log_end_offset


def state(world: World, transactional_id: str = "id") -> str:
    asked = world.ask(DescribeTransactionsRequest([transactional_id]), 0)
    world.settle()
    row = asked.response().transaction_states[0]
    return str(row.transaction_state) or E(row.error_code).name


# --- the order in which things become durable ----------------------------------------------------


@pytest.mark.semantics("67b")
def test_no_marker_is_written_before_the_decision_is_committed(world: World) -> None:
    one = writing(world)
    world.executor.is_held = True
    asked = one.ask_end(is_commit=True)
    for _ in range(3):
        world.broker.tick(world.now_ms)
    assert not asked.is_answered
    assert end_offset(world) == 1
    world.executor.is_held = False
    world.settle()
    assert asked.response().error_code == E.NONE
    assert end_offset(world) == 2
    assert state(world) == "CompleteCommit"


@pytest.mark.parametrize("is_commit", [True, False])
def test_an_end_that_too_few_replicas_would_keep_is_refused_and_not_carried_out(
    world: World, is_commit: bool
) -> None:
    one = writing(world)
    end = end_offset(world, 0)
    topic = world.broker.image.topics["__transaction_state"]
    shards = [world.broker.partition(topic.name, at) for at in range(len(topic.partitions))]
    for shard in shards:
        shard.has_enough_replicas = False
    assert one.end(is_commit=is_commit) is E.COORDINATOR_NOT_AVAILABLE
    world.settle()
    assert (state(world), end_offset(world, 0)) == ("Ongoing", end), "no marker was written"
    for shard in shards:
        shard.has_enough_replicas = True
    assert one.end(is_commit=is_commit) is E.NONE
    world.settle()
    assert state(world) == ("CompleteCommit" if is_commit else "CompleteAbort")


def test_the_answer_to_a_commit_does_not_wait_for_the_markers(world: World) -> None:
    one = writing(world)
    world.files.fail("append", errno.ENOSPC, topic_directory(world), times=1_000)
    assert one.end(is_commit=True) is E.NONE
    assert state(world) == "PrepareCommit"
    assert one.add_partitions(1) is E.CONCURRENT_TRANSACTIONS


def topic_directory(world: World) -> str:
    return world.broker.partition("t", 0).log.directory.name


@pytest.mark.semantics("67c")
def test_a_marker_that_cannot_be_written_is_tried_again(world: World) -> None:
    one = writing(world)
    world.files.fail("append", errno.ENOSPC, topic_directory(world))
    assert one.end(is_commit=True) is E.NONE
    assert state(world) == "PrepareCommit"
    world.sleep(RETRY_MS)
    world.settle()
    assert state(world) == "CompleteCommit"
    assert read_committed(world, "t", 0) == [b"v"]


@pytest.mark.semantics("67c")
def test_a_shard_that_lost_its_last_record_is_loaded_again_and_finishes(world: World) -> None:
    one = writing(world)
    world.executor.is_held = True
    one.ask_end(is_commit=True)
    directory = transactions_directory(world)
    world.executor.run()  # The decision is committed, the marker staged.
    world.broker.end_turn(world.now_ms)
    world.files.fail("append", errno.ENOSPC, directory)
    world.executor.run()  # The marker is committed; CompleteCommit does not fit.
    world.broker.end_turn(world.now_ms)
    world.executor.is_held = False
    world.sleep(RETRY_MS)
    world.settle()
    assert state(world) == "CompleteCommit"
    assert read_committed(world, "t", 0) == [b"v"]


def transactions_directory(world: World) -> str:
    (partition,) = (
        one
        for one in world.broker.open_partitions()
        if one.topic == "__transaction_state" and one.log.log_end_offset
    )
    return partition.log.directory.name


def test_a_deleted_topic_counts_as_told(world: World) -> None:
    one = writing(world)
    world.ask(DeleteTopicsRequest(topic_names=["t"]), 3)
    world.settle()
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    assert state(world) == "CompleteCommit"


# --- producers -----------------------------------------------------------------------------------


@pytest.mark.semantics("65b")
@pytest.mark.parametrize("version", range(6))
def test_each_initialisation_raises_the_epoch(world: World, version: int) -> None:
    client(world)
    request = InitProducerIdRequest("id", TIMEOUT_MS)
    asked = world.ask(request, version)
    world.settle()
    answer = asked.response()
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (E.NONE, 0, 1)


@pytest.mark.semantics("66a")
@pytest.mark.parametrize("timeout_ms", [0, -1, 900_001])
def test_timeouts_beyond_the_limit_are_refused(world: World, timeout_ms: int) -> None:
    one = TransactionalClient(world, "id")
    one.find()
    assert one.ask_init(timeout_ms) is E.INVALID_TRANSACTION_TIMEOUT


@pytest.mark.parametrize(("producer_id", "epoch"), [(5, -1), (-1, 5)])
def test_who_resumes_names_id_and_epoch(world: World, producer_id: int, epoch: int) -> None:
    one = TransactionalClient(world, "id")
    one.find()
    one.producer_id, one.producer_epoch = producer_id, epoch
    assert one.ask_init() is E.INVALID_REQUEST


def test_an_empty_transactional_id_is_no_id(world: World) -> None:
    one = TransactionalClient(world, "")
    assert one.ask_init() is E.INVALID_REQUEST
    assert one.add_partitions(0) is E.INVALID_REQUEST
    assert one.add_offsets() is E.INVALID_REQUEST
    assert one.end(is_commit=True) is E.INVALID_REQUEST


@pytest.mark.semantics("65e")
def test_kip_360_a_producer_resumes_and_its_retry_gets_the_same_answer(world: World) -> None:
    one = client(world)
    assert one.ask_init() is E.NONE
    assert one.producer_epoch == 1
    one.producer_epoch = 0  # It never heard the answer.
    assert one.ask_init() is E.NONE
    assert one.producer_epoch == 1
    other = client(world)
    assert other.producer_epoch == 2
    assert one.ask_init(version=4) is E.PRODUCER_FENCED
    assert one.ask_init(version=3) is E.INVALID_PRODUCER_EPOCH


@pytest.mark.semantics("65c")
def test_a_new_process_fences_the_old_one_and_aborts_what_it_left_open(world: World) -> None:
    old = writing(world, b"lost")
    new = TransactionalClient(world, "id")
    assert new.ask_init() is E.CONCURRENT_TRANSACTIONS
    assert new.ask_init() is E.NONE
    assert (new.producer_id, new.producer_epoch) == (old.producer_id, 2)
    assert old.produce(0, b"late") is E.INVALID_PRODUCER_EPOCH
    for version, code in ((1, E.INVALID_PRODUCER_EPOCH), (2, E.PRODUCER_FENCED)):
        assert old.end(is_commit=True, version=version) is code
        assert old.add_partitions(1, version=version) is code
        assert old.add_offsets(version=version) is code
    assert old.commit_offset(5) is E.INVALID_PRODUCER_EPOCH
    assert new.add(0) is E.NONE
    assert new.produce(0, b"kept") is E.NONE
    assert new.end(is_commit=True) is E.NONE
    assert read_committed(world, "t", 0) == [b"kept"]


def test_another_producers_id_is_not_mapped(world: World) -> None:
    one = client(world)
    one.producer_id = 999
    assert one.add_partitions(0) is E.INVALID_PRODUCER_ID_MAPPING
    assert one.end(is_commit=True) is E.INVALID_PRODUCER_ID_MAPPING
    assert one.produce(0, b"v") is E.INVALID_PRODUCER_ID_MAPPING


def test_an_id_that_nobody_uses_expires(world: World) -> None:
    one = writing(world)
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    world.sleep(7 * DAY_MS)
    world.settle()
    assert state(world) == "TRANSACTIONAL_ID_NOT_FOUND"
    assert one.add_partitions(0) is E.INVALID_PRODUCER_ID_MAPPING
    world.restart(lambda old: old.files.crash())
    assert state(world) == "TRANSACTIONAL_ID_NOT_FOUND"


@pytest.mark.semantics("66b")
def test_a_transaction_whose_time_is_up_is_aborted_at_a_higher_epoch(world: World) -> None:
    one = writing(world)
    world.sleep(TIMEOUT_MS)
    world.settle()
    assert state(world) == "CompleteAbort"
    assert one.end(is_commit=True) is E.PRODUCER_FENCED
    assert one.produce(0, b"late") is E.INVALID_PRODUCER_EPOCH
    assert read_committed(world, "t", 0) == []
    # Its own id and epoch do not help it: only a new process may go on.
    assert one.ask_init() is E.PRODUCER_FENCED
    assert one.init() is E.NONE


# --- EndTxn --------------------------------------------------------------------------------------


@pytest.mark.semantics("72a", "72b")
@pytest.mark.parametrize("is_commit", [True, False])
@pytest.mark.parametrize("version", range(5))
def test_the_same_end_again_succeeds_and_the_other_is_refused(
    world: World, version: int, is_commit: bool
) -> None:
    one = writing(world)
    assert one.end(is_commit=is_commit, version=version) is E.NONE
    world.settle()
    assert one.end(is_commit=is_commit, version=version) is E.NONE
    assert one.end(is_commit=not is_commit, version=version) is E.INVALID_TXN_STATE
    assert end_offset(world) == 2


def test_nothing_to_end_is_an_invalid_state(world: World) -> None:
    assert client(world).end(is_commit=True) is E.INVALID_TXN_STATE


# --- Produce -------------------------------------------------------------------------------------


@pytest.mark.semantics("71a")
@pytest.mark.parametrize(
    ("version", "code"),
    [(3, E.INVALID_TXN_STATE), (10, E.INVALID_TXN_STATE), (11, E.TRANSACTION_ABORTABLE)],
)
def test_a_partition_that_was_not_added_takes_nothing(
    world: World, version: int, code: ErrorCode
) -> None:
    one = writing(world)
    assert one.produce(1, b"v", version=version) is code
    assert end_offset(world, 1) == 0


def test_partitions_count_once_they_are_durably_in_the_transaction(world: World) -> None:
    """Else a crash could leave data whose transaction nobody remembers."""
    one = client(world)
    world.executor.is_held = True
    asked = add_unsynced(world, one)
    refused = produce_unsynced(world, one)
    assert refused is E.NOT_ENOUGH_REPLICAS
    world.executor.is_held = False
    world.settle()
    assert asked.is_answered
    assert one.produce(0, b"v") is E.NONE


def add_unsynced(world: World, one: TransactionalClient) -> Asked:
    return world.ask(
        AddPartitionsToTxnRequest(
            v3_and_below_transactional_id="id",
            v3_and_below_producer_id=one.producer_id,
            v3_and_below_producer_epoch=one.producer_epoch,
            v3_and_below_topics=[AddPartitionsToTxnRequestTopic("t", [0])],
        ),
        3,
    )


def produce_unsynced(world: World, one: TransactionalClient) -> ErrorCode:
    batch = batch_of(
        b"v",
        producer_id=one.producer_id,
        producer_epoch=one.producer_epoch,
        base_sequence=0,
        is_transactional=True,
    )
    topic = ProduceRequestTopic("t", partition_data=[ProduceRequestPartition(0, batch)])
    request = ProduceRequest(transactional_id="id", acks=-1, topic_data=[topic])
    return E(produced(world.ask(request, 9)).error_code)


def test_a_transactional_batch_names_its_transactional_id(world: World) -> None:
    one = writing(world)
    code = one.produce(0, b"v", name_id=False)
    assert code is E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


# --- offsets -------------------------------------------------------------------------------------


@pytest.mark.semantics("61c", "70a")
@pytest.mark.parametrize("version", range(5))
def test_offsets_are_pending_until_the_commit(world: World, version: int) -> None:
    one = client(world)
    assert one.add_offsets() is E.NONE
    assert one.commit_offset(7, version) is E.NONE
    assert committed_offset(world) == (E.NONE, -1)
    assert committed_offset(world, require_stable=True) == (E.UNSTABLE_OFFSET_COMMIT, -1)
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    assert committed_offset(world, require_stable=True) == (E.NONE, 7)


@pytest.mark.semantics("70b")
def test_offsets_of_an_aborted_transaction_never_count(world: World) -> None:
    one = client(world)
    one.add_offsets()
    one.commit_offset(7)
    one.end(is_commit=False)
    world.settle()
    assert committed_offset(world, require_stable=True) == (E.NONE, -1)


@pytest.mark.parametrize("crashes", [False, True])
def test_a_later_plain_commit_outlives_the_transaction(world: World, crashes: bool) -> None:
    """What counts is the order in the log, live and after a reload."""
    one = client(world)
    one.add_offsets()
    one.commit_offset(7)
    row = OffsetCommitRequestPartition(0, committed_offset=9)
    request = OffsetCommitRequest(GROUP, topics=[OffsetCommitRequestTopic("t", partitions=[row])])
    world.ask(request, 8)
    world.settle()
    if crashes:
        world.restart(lambda old: old.files.crash())
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    assert committed_offset(world) == (E.NONE, 9)


def test_pending_offsets_survive_a_restart(world: World) -> None:
    one = client(world)
    one.add_offsets()
    one.commit_offset(7)
    world.restart(lambda old: old.files.crash())
    assert committed_offset(world, require_stable=True) == (E.UNSTABLE_OFFSET_COMMIT, -1)
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    world.restart(lambda old: old.files.crash())
    assert committed_offset(world, require_stable=True) == (E.NONE, 7)


@pytest.mark.parametrize(
    ("version", "code"), [(3, E.INVALID_TXN_STATE), (4, E.TRANSACTION_ABORTABLE)]
)
def test_offsets_that_were_not_added_are_refused(
    world: World, version: int, code: ErrorCode
) -> None:
    assert writing(world).commit_offset(7, version) is code


# --- admin ---------------------------------------------------------------------------------------


def write_marker(
    world: World, one: TransactionalClient, topic: str = "t", *, epoch: int = 0, coordinator: int
) -> ErrorCode:
    marker = WriteTxnMarkersRequestMarker(
        producer_id=one.producer_id,
        producer_epoch=epoch,
        transaction_result=False,
        topics=[WriteTxnMarkersRequestTopic(topic, [0])],
        coordinator_epoch=coordinator,
    )
    asked = world.ask(WriteTxnMarkersRequest([marker]), 1)
    world.settle()
    return E(asked.response().markers[0].topics[0].partitions[0].error_code)


def test_an_admin_aborts_a_hanging_transaction(world: World) -> None:
    one = writing(world)
    before = producers(world)
    assert (before.current_txn_start_offset, before.coordinator_epoch) == (0, -1)
    assert write_marker(world, one, coordinator=3) is E.NONE
    after = producers(world)
    assert (after.current_txn_start_offset, after.coordinator_epoch) == (-1, 3)
    assert after.producer_id == one.producer_id
    assert read_committed(world, "t", 0) == []
    assert write_marker(world, one, coordinator=2) is E.TRANSACTION_COORDINATOR_FENCED
    assert write_marker(world, one, epoch=-1, coordinator=3) is E.INVALID_PRODUCER_EPOCH
    assert write_marker(world, one, "absent", coordinator=3) is E.UNKNOWN_TOPIC_OR_PARTITION
    internal = "__transaction_state"
    assert write_marker(world, one, internal, coordinator=3) is E.INVALID_REQUEST


def producers(world: World) -> Any:
    topic = DescribeProducersRequestTopic("t", [0])
    asked = world.ask(DescribeProducersRequest([topic]), 0)
    (row,) = asked.response().topics[0].partitions[0].active_producers
    return row


def test_transactions_are_described_and_listed(world: World) -> None:
    one = writing(world)
    client(world, "idle")
    row = world.ask(DescribeTransactionsRequest(["id"]), 0).response().transaction_states[0]
    assert (row.transaction_state, row.producer_id, row.producer_epoch) == ("Ongoing", 0, 0)
    assert (row.transaction_timeout_ms, row.transaction_start_time_ms) == (TIMEOUT_MS, world.now_ms)
    assert [(topic.topic, list(topic.partitions)) for topic in row.topics] == [("t", [0])]
    assert listed(world) == {"id": "Ongoing", "idle": "Empty"}
    assert listed(world, state_filters=["Ongoing", "Nonsense"]) == {"id": "Ongoing"}
    assert listed(world, producer_id_filters=[one.producer_id]) == {"id": "Ongoing"}
    world.sleep(2_000)
    assert listed(world, duration_filter=1_000) == {"id": "Ongoing"}
    assert listed(world, duration_filter=2_000) == {}
    request = ListTransactionsRequest(state_filters=["Nonsense"])
    assert world.ask(request, 0).response().unknown_state_filters == ("Nonsense",)


def listed(world: World, **filters: Any) -> dict[str, str]:
    response = world.ask(ListTransactionsRequest(**filters), 1).response()
    assert response.error_code == E.NONE
    return {row.transactional_id: row.transaction_state for row in response.transaction_states}


# --- who may -------------------------------------------------------------------------------------


REQUESTS = [
    (InitProducerIdRequest("id", TIMEOUT_MS), range(6)),
    (AddOffsetsToTxnRequest("id", 0, 0, GROUP), range(5)),
    (EndTxnRequest("id", 0, 0, True), range(6)),
]


@pytest.mark.parametrize(("request_", "versions"), REQUESTS, ids=lambda it: type(it).__name__)
def test_without_write_on_the_id_nothing_is_done(
    world: World, request_: object, versions: range
) -> None:
    client(world)
    world.session = Session(listener="PLAINTEXT", principal="User:eve", client_host="127.0.0.1")
    for version in versions:
        code = code_of(world.ask(request_, version))
        assert code is E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_without_rights_partitions_offsets_and_markers_are_refused(world: World) -> None:
    one = writing(world)
    world.session = Session(listener="PLAINTEXT", principal="User:eve", client_host="127.0.0.1")
    denied = E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert one.add_partitions(0) is denied
    assert one.commit_offset(5) is denied
    assert one.produce(0, b"v") is E.TOPIC_AUTHORIZATION_FAILED
    assert write_marker(world, one, coordinator=0) is E.CLUSTER_AUTHORIZATION_FAILED
    assert listed(world) == {}
    assert state(world) == denied.name
    asked = world.ask(DescribeProducersRequest([DescribeProducersRequestTopic("t", [0])]), 0)
    code = asked.response().topics[0].partitions[0].error_code
    assert code == E.TOPIC_AUTHORIZATION_FAILED


def test_internal_topics_and_unknown_partitions_join_no_transaction(world: World) -> None:
    one = client(world)
    one.topic = "__consumer_offsets"
    assert one.add_partitions(0) is E.TOPIC_AUTHORIZATION_FAILED
    one.topic = "t"
    assert one.add_partitions(9) is E.UNKNOWN_TOPIC_OR_PARTITION
    assert one.add_partitions(0, 9) is E.OPERATION_NOT_ATTEMPTED
    assert state(world) == "Empty"


def test_the_table_tells_the_versions_that_are_served() -> None:
    assert {key: API_KEYS[key].versions for key in (24, 26, 28, 66)} == {
        24: range(4),
        26: range(6),
        28: range(6),
        66: range(2),
    }


# --- transaction.version 2 (KIP-890, part 2) -----------------------------------------------------


def writing_v2(world: World, *values: bytes) -> TransactionalClient:
    """A client of version 2 with an open transaction on partition 0, which it never added."""
    made = TransactionalClient(world, "id", is_v2=True)
    made.find()
    assert made.init() is E.NONE
    assert made.produce(0, *(values or (b"v",))) is E.NONE
    return made


@pytest.mark.semantics("71b", "71c")
def test_partitions_join_by_the_first_write_and_each_end_raises_the_epoch(world: World) -> None:
    one = writing_v2(world, b"a")
    assert state(world) == "Ongoing"
    assert one.end(is_commit=True) is E.NONE
    assert (one.producer_id, one.producer_epoch) == (0, 1)
    assert one.produce(0, b"x") is E.NONE
    assert one.end(is_commit=False) is E.NONE
    assert one.producer_epoch == 2
    assert one.produce(0, b"b") is E.NONE
    assert one.end(is_commit=True) is E.NONE
    assert read_committed(world, "t", 0) == [b"a", b"b"]


def test_a_write_of_the_next_transaction_waits_for_the_end_of_the_last(world: World) -> None:
    """Instead of sending the client away for its retry back-off."""
    one = writing_v2(world, b"a")
    world.executor.is_held = True
    asked = one.ask_end(is_commit=True)
    one.producer_epoch, one.sequences = 1, {}
    writes = [one.ask_produce(0, b"b"), one.ask_produce(0, b"c", sequence=1)]
    assert not any(write.is_answered for write in writes)
    world.executor.is_held = False
    world.settle()
    assert asked.response().error_code == E.NONE
    assert [produced(write).error_code for write in writes] == [E.NONE, E.NONE]
    assert one.end(is_commit=True) is E.NONE
    assert read_committed(world, "t", 0) == [b"a", b"b", b"c"]


class SlowCoordinator:
    """Stands for a coordinator on another broker, whose answers come when the test says so."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: deque[tuple[Parked, Callable[[], object]]] = deque()
        ask = world.broker.coordinators.add_partition

        def add_partition(*question: Any) -> Parked:
            self.asked.append((Parked(), lambda: ask(*question)))
            return self.asked[-1][0]

        monkeypatch.setattr(world.broker.coordinators, "add_partition", add_partition)

    def answer(self, refusal: ErrorCode | None = None) -> None:
        """Let the oldest question be answered, by the coordinator itself or with `refusal`."""
        parked, ask = self.asked.popleft()
        found = ask() if refusal is None else refusal
        if isinstance(found, Parked):
            found.when_done(lambda code: self._told(parked, code))
        else:
            self._told(parked, found)

    def _told(self, parked: Parked, code: object) -> None:
        assert parked.complete(code), "a question is answered once"


def test_no_write_overtakes_those_that_wait_for_the_coordinator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer opens the transaction here; what came second has no answer yet."""
    one = writing_v2(world, b"a")
    assert one.end(is_commit=True) is E.NONE
    coordinator = SlowCoordinator(world, monkeypatch)
    writes = [one.ask_produce(0, b"%d" % at, sequence=at) for at in range(3)]
    assert not any(write.is_answered for write in writes)
    coordinator.answer()
    world.settle()
    assert produced(writes[0]).error_code == E.NONE
    writes.append(one.ask_produce(0, b"3", sequence=3))
    while coordinator.asked:
        coordinator.answer()
        world.settle()
    assert [produced(write).error_code for write in writes] == [E.NONE] * 4
    assert one.end(is_commit=True) is E.NONE
    assert read_committed(world, "t", 0) == [b"a", b"0", b"1", b"2", b"3"]


def test_who_waits_behind_a_refused_write_asks_the_coordinator_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sequence is not the next one then, and the retries of both are taken in order."""
    one = writing_v2(world, b"a")
    assert one.end(is_commit=True) is E.NONE
    coordinator = SlowCoordinator(world, monkeypatch)
    writes = [one.ask_produce(0, b"%d" % at, sequence=at) for at in range(3)]
    coordinator.answer(E.NOT_COORDINATOR)
    assert coordinator.asked, "the next one asks"
    while coordinator.asked:
        coordinator.answer()
        world.settle()
    told = [produced(write).error_code for write in writes]
    assert told == [E.NOT_ENOUGH_REPLICAS, *[E.OUT_OF_ORDER_SEQUENCE_NUMBER] * 2]
    again = [one.ask_produce(0, b"%d" % at, sequence=at) for at in range(3)]
    while coordinator.asked:
        coordinator.answer()
        world.settle()
    assert [produced(write).error_code for write in again] == [E.NONE] * 3
    assert one.end(is_commit=True) is E.NONE
    assert read_committed(world, "t", 0) == [b"a", b"0", b"1", b"2"]


def test_a_write_that_waits_too_long_is_told_so_and_never_done(world: World) -> None:
    one = writing_v2(world, b"a")
    world.executor.is_held = True
    one.ask_end(is_commit=True)
    one.producer_epoch, one.sequences = 1, {}
    late = one.ask_produce(0, b"late")
    world.sleep(5_000)
    assert produced(late).error_code == E.REQUEST_TIMED_OUT
    world.executor.is_held = False
    world.settle()
    assert read_committed(world, "t", 0) == [b"a"]
    assert end_offset(world) == 2


def test_what_brokers_ask_about_transactions_holds_up_nothing_behind_it(world: World) -> None:
    """One question for each partition: one after the other they took seconds."""
    one = writing_v2(world)
    world.session = internal_session()
    world.executor.is_held = True
    marker = WriteTxnMarkersRequestMarker(
        one.producer_id,
        one.producer_epoch + 1,
        transaction_result=False,
        topics=[WriteTxnMarkersRequestTopic("t", [0])],
    )
    joining = AddPartitionsToTxnRequestTransaction(
        "id", one.producer_id, one.producer_epoch, False, [AddPartitionsToTxnRequestTopic("t", [1])]
    )
    asked = [
        world.ask(WriteTxnMarkersRequest([marker]), 2),
        world.ask(AddPartitionsToTxnRequest([joining]), 5),
    ]
    for each in asked:
        assert each.reply is not None
        assert not each.reply.is_ready
        assert not each.reply.mutes
    world.settle()
    assert all(each.is_answered for each in asked)


@pytest.mark.semantics("71d")
def test_a_late_end_cannot_end_the_next_transaction(world: World) -> None:
    """The lost marker of Jepsen's Bufstream report: the epoch tells the two apart."""
    one = writing_v2(world, b"a")
    assert one.end(is_commit=True) is E.NONE
    assert one.produce(0, b"b") is E.NONE
    late = EndTxnRequest("id", 0, 0, True)
    assert code_of(world.ask(late, 5)) is E.PRODUCER_FENCED
    assert state(world) == "Ongoing"


@pytest.mark.parametrize("is_commit", [True, False])
def test_a_retried_end_gets_the_same_answer(world: World, is_commit: bool) -> None:
    one = writing_v2(world)
    assert one.end(is_commit=is_commit) is E.NONE
    world.settle()
    again = world.ask(EndTxnRequest("id", 0, 0, is_commit), 5).response()
    assert (again.error_code, again.producer_id, again.producer_epoch) == (E.NONE, 0, 1)
    other = world.ask(EndTxnRequest("id", 0, 0, not is_commit), 5).response()
    # A commit behind an abort is what a producer sends that was overtaken by its time-out.
    assert other.error_code == (E.INVALID_TXN_STATE if is_commit else E.PRODUCER_FENCED)
    assert end_offset(world) == 2


def test_an_abort_without_a_write_still_raises_the_epoch(world: World) -> None:
    one = TransactionalClient(world, "id", is_v2=True)
    one.find()
    one.init()
    assert one.end(is_commit=False) is E.NONE
    assert one.producer_epoch == 1
    assert one.end(is_commit=True) is E.INVALID_TXN_STATE


@pytest.mark.semantics("71c")
def test_offsets_join_by_the_first_commit(world: World) -> None:
    one = TransactionalClient(world, "id", is_v2=True)
    one.find()
    one.init()
    assert one.commit_offset(7) is E.NONE
    assert committed_offset(world, require_stable=True) == (E.UNSTABLE_OFFSET_COMMIT, -1)
    assert one.end(is_commit=True) is E.NONE
    world.settle()
    assert committed_offset(world, require_stable=True) == (E.NONE, 7)
    one.producer_epoch = 0
    assert one.commit_offset(9) is E.INVALID_PRODUCER_EPOCH


# --- other commit modes --------------------------------------------------------------------------


@pytest.mark.parametrize("is_v2", [False, True])
def test_topics_that_commit_without_a_sync_take_part(is_v2: bool) -> None:
    """Their markers are committed in the middle of a turn's writes; all of it ends in that turn."""
    world = World()
    world.create_topic("t", 3, ack_durability="replicated", min_insync_replicas="1")
    one = TransactionalClient(world, "id", is_v2=is_v2)
    one.find()
    assert one.init() is E.NONE
    for value, is_commit in ((b"a", True), (b"x", False), (b"b", True)):
        assert one.add(0) is E.NONE
        assert one.produce(0, value) is E.NONE
        assert one.end(is_commit=is_commit) is E.NONE
    assert state(world) == "CompleteCommit"
    assert read_committed(world, "t", 0) == [b"a", b"b"]
