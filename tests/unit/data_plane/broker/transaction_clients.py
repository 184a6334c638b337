"""A transactional producer and a read_committed consumer, request by request, over a World."""

import contextlib
import random

from data_plane.broker.dispatch import CloseConnection
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from data_plane.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnRequestTopic,
)
from data_plane.protocol.messages.end_txn import EndTxnRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponsePartition,
)
from data_plane.protocol.messages.find_coordinator import TRANSACTION, FindCoordinatorRequest
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, iter_batches
from data_plane.protocol.records.control import MarkerType, decode_marker
from data_plane.protocol.records.record import decode_records
from tests.unit.data_plane.broker.world import Asked, World, batch_of, produced

GROUP = "g"
TIMEOUT_MS = 10_000


def code_of(asked: Asked) -> ErrorCode | None:
    """The error at the top of a response; None if no response has come."""
    if not asked.is_answered:
        return None
    try:
        return ErrorCode(asked.response().error_code)
    except CloseConnection:  # The broker could not say: a client sees its connection end.
        return None


class TransactionalClient:
    """One process with a transactional id. Each call is one request; None: no answer.

    is_v2: it follows transaction.version 2: nothing is added before it is written.
    """

    def __init__(
        self, world: World, transactional_id: str, topic: str = "t", *, is_v2: bool = False
    ) -> None:
        self.is_v2 = is_v2
        self.world = world
        self.transactional_id = transactional_id
        self.topic = topic
        self.producer_id = self.producer_epoch = -1
        self.sequences: dict[int, int] = {}

    def find(self) -> None:
        self.world.ask(FindCoordinatorRequest(self.transactional_id, TRANSACTION), 3)
        self.world.settle()

    def ask_init(self, timeout_ms: int = TIMEOUT_MS, version: int = 4) -> ErrorCode | None:
        """One InitProducerId; with our own id and epoch if we have them (KIP-360)."""
        asked = self.world.ask(
            InitProducerIdRequest(
                self.transactional_id, timeout_ms, self.producer_id, self.producer_epoch
            ),
            version,
        )
        self.world.settle()
        code = code_of(asked)
        if code is ErrorCode.NONE:
            answer = asked.response()
            self.producer_id, self.producer_epoch = answer.producer_id, answer.producer_epoch
            self.sequences.clear()
        return code

    def init(self, timeout_ms: int = TIMEOUT_MS) -> ErrorCode | None:
        """As a new process: asks again while an older transaction is being aborted."""
        self.producer_id = self.producer_epoch = -1
        for _ in range(20):
            code = self.ask_init(timeout_ms)
            if code is not ErrorCode.CONCURRENT_TRANSACTIONS:
                return code
        return code

    def add_partitions(self, *partitions: int, version: int = 3) -> ErrorCode | None:
        asked = self.world.ask(
            AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self.transactional_id,
                v3_and_below_producer_id=self.producer_id,
                v3_and_below_producer_epoch=self.producer_epoch,
                v3_and_below_topics=[AddPartitionsToTxnRequestTopic(self.topic, partitions)],
            ),
            version,
        )
        self.world.settle()
        if not asked.is_answered:
            return None
        with contextlib.suppress(CloseConnection):
            rows = asked.response().results_by_topic_v3_and_below[0].results_by_partition
            return ErrorCode(rows[0].partition_error_code)
        return None

    def add(self, *partitions: int) -> ErrorCode | None:
        """As clients do: again while the one before is still being ended."""
        if self.is_v2:
            return ErrorCode.NONE
        for _ in range(20):
            code = self.add_partitions(*partitions)
            if code is not ErrorCode.CONCURRENT_TRANSACTIONS:
                return code
        return code

    def ask_produce(
        self,
        partition: int,
        *values: bytes,
        version: int = 9,
        name_id: bool = True,
        sequence: int | None = None,
    ) -> Asked:
        """A transactional batch, by default the next one of this producer."""
        batch = batch_of(
            *values,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            base_sequence=self.sequences.get(partition, 0) if sequence is None else sequence,
            is_transactional=True,
        )
        rows = [ProduceRequestPartition(partition, batch)]
        return self.world.ask(
            ProduceRequest(
                transactional_id=self.transactional_id if name_id else None,
                acks=-1,
                timeout_ms=5_000,
                topic_data=[ProduceRequestTopic(self.topic, partition_data=rows)],
            ),
            12 if self.is_v2 else version,
        )

    def produce(
        self, partition: int, *values: bytes, version: int = 9, name_id: bool = True
    ) -> ErrorCode | None:
        """As `ask_produce`; the sequence moves on only if the batch was taken."""
        asked = self.ask_produce(partition, *values, version=version, name_id=name_id)
        self.world.settle()
        if not asked.is_answered:
            return None
        code = ErrorCode(produced(asked).error_code)
        if code is ErrorCode.NONE:
            self.sequences[partition] = self.sequences.get(partition, 0) + len(values)
        return code

    def add_offsets(self, version: int = 3) -> ErrorCode | None:
        if self.is_v2:
            return ErrorCode.NONE
        asked = self.world.ask(
            AddOffsetsToTxnRequest(
                self.transactional_id, self.producer_id, self.producer_epoch, GROUP
            ),
            version,
        )
        self.world.settle()
        return code_of(asked)

    def commit_offset(self, offset: int, version: int = 3) -> ErrorCode | None:
        row = TxnOffsetCommitRequestPartition(0, committed_offset=offset)
        asked = self.world.ask(
            TxnOffsetCommitRequest(
                self.transactional_id,
                GROUP,
                self.producer_id,
                self.producer_epoch,
                topics=[TxnOffsetCommitRequestTopic(self.topic, partitions=[row])],
            ),
            5 if self.is_v2 else version,
        )
        self.world.settle()
        if not asked.is_answered:
            return None
        with contextlib.suppress(CloseConnection):
            return ErrorCode(asked.response().topics[0].partitions[0].error_code)
        return None

    def ask_end(self, *, is_commit: bool, version: int = 3) -> Asked:
        return self.world.ask(
            EndTxnRequest(self.transactional_id, self.producer_id, self.producer_epoch, is_commit),
            5 if self.is_v2 else version,
        )

    def end(self, *, is_commit: bool, version: int = 3) -> ErrorCode | None:
        asked = self.ask_end(is_commit=is_commit, version=version)
        self.world.settle()
        return self.ended(asked)

    def ended(self, asked: Asked) -> ErrorCode | None:
        """Take up the answer to an EndTxn."""
        code = code_of(asked)
        if self.is_v2 and code is ErrorCode.NONE:
            answer = asked.response()
            self.producer_id, self.producer_epoch = answer.producer_id, answer.producer_epoch
            self.sequences.clear()
        return code


def committed_offset(world: World, *, require_stable: bool = False) -> tuple[ErrorCode, int]:
    request = OffsetFetchRequest(
        GROUP, [OffsetFetchRequestTopic("t", [0])], require_stable=require_stable
    )
    asked = world.ask(request, 7)
    world.settle()
    row = asked.response().topics[0].partitions[0]
    return ErrorCode(row.error_code), row.committed_offset


def fetch(
    world: World, topic: str, partition: int, offset: int, *, isolation: int, bytes_max: int
) -> FetchResponsePartition:
    row = FetchRequestPartition(partition, fetch_offset=offset, partition_max_bytes=bytes_max)
    request = FetchRequest(
        max_wait_ms=0,
        isolation_level=isolation,
        topics=[FetchRequestTopic(topic, world.topic_id(topic), partitions=[row])],
    )
    answer = world.ask(request, 12).response().responses[0].partitions[0]
    assert isinstance(answer, FetchResponsePartition)
    return answer


def read_committed(
    world: World, topic: str, partition: int, rng: random.Random | None = None
) -> list[bytes]:
    """Everything a read_committed consumer delivers, by the rules of Kafka's own consumer."""
    rng = rng or random.Random(0)
    offset = 0
    values: list[bytes] = []
    while True:
        answer = fetch(
            world, topic, partition, offset, isolation=1, bytes_max=rng.choice([1, 300, 1 << 20])
        )
        assert answer.error_code == ErrorCode.NONE
        assert answer.last_stable_offset <= answer.high_watermark
        view = memoryview(bytes(answer.records or b""))
        if not view:
            assert offset == answer.last_stable_offset, "a reader is stuck"
            return values
        to_come = sorted(
            ((row.first_offset, row.producer_id) for row in answer.aborted_transactions or ()),
            reverse=True,
        )
        aborting: set[int] = set()
        for at, header in iter_batches(view):
            assert header.last_offset < answer.last_stable_offset
            while to_come and to_come[-1][0] <= header.last_offset:
                aborting.add(to_come.pop()[1])
            records = decode_records(header, view[at + BATCH_HEADER_BYTES : at + header.size_bytes])
            if header.is_control:
                marker = decode_marker(records[0])
                if marker is not None and marker.type is MarkerType.ABORT:
                    aborting.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborting):
                values += [
                    record.value or b""
                    for record in records
                    if header.base_offset + record.offset_delta >= offset
                ]
            offset = max(offset, header.next_offset)
