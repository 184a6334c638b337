"""Produce (key 0) v3-13; 0-2 advertised, refused by 35 (KAFKA-18659). v5: log start offset.
v7: zstd. v8: error message. v9: flexible. v10: leaders (KIP-951). v11: TRANSACTION_ABORTABLE.
v12: a transaction's partitions join by the first write (KIP-890). v13: topic ids.
"""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.dispatch import CloseConnection
from data_plane.broker.joining_writes import Joining
from data_plane.broker.leader_hints import with_leaders
from data_plane.broker.reply import Parts
from data_plane.broker.transaction_access import (
    add_implicitly,
    allows_transactional_id,
    verification_code,
)
from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.log.validate import RefusedRecords, RefusedTimestamps
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import (
    ErrorCode,
    InvalidRequiredAcks,
    InvalidTopic,
    KafkaError,
    NotEnoughReplicas,
    NotLeaderOrFollower,
    UnsupportedCompression,
)
from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.hot.produce import (
    PartitionResult,
    ProduceCall,
    Results,
    read_produce,
    write_produce,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
)
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER_BYTES,
    COMPRESSION_MASK,
    TRANSACTIONAL,
)
from data_plane.protocol.schema import decoder, encoder
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 0, range(14)
IS_RAW = True

VERSION_MIN = 3
ZSTD = 4
ZSTD_VERSION_MIN = 7
ABORTABLE_VERSION_MIN = 11
IMPLICIT_VERSION_MIN = 12
PRODUCER, PRODUCER_AT = struct.Struct(">qh"), 43  # id and epoch in a batch's header
NOT_NOW = ErrorCode.NOT_ENOUGH_REPLICAS  # what a producer is told of a failure that passes
ALL_REPLICAS, NO_REPLY, LEADER_ONLY = -1, 0, 1
NO_BATCH = memoryview(b"")  # null records: the log refuses them by the same code


def handle(broker: "Broker", ctx: RequestContext, body: memoryview) -> Parts | Parked | None:
    """Append each partition's batch; the reply leaves when it is written (acks=1) or committed."""
    if ctx.api_version < VERSION_MIN:
        return _refuse_old(body, ctx.api_version)
    call = read_produce(body, ctx.api_version)
    pending = PendingProduce(broker, ctx, call, broker.quotas.charge_produce(ctx, len(body)))
    pending.append_all(body)
    if call.acks == NO_REPLY:
        pending.check_without_reply()
        return None
    return pending


class PendingProduce(Parked):
    """A produce on its way: each partition settles once, the last one completes the reply."""

    __slots__ = ("_acks", "_broker", "_call", "_ctx", "_open", "_results", "_throttle_ms")

    def __init__(
        self, broker: "Broker", ctx: RequestContext, call: ProduceCall, throttle_ms: int = 0
    ) -> None:
        waits = call.acks == ALL_REPLICAS and call.timeout_ms >= 0
        super().__init__(
            ctx.now_ms + call.timeout_ms if waits else None, self._time_out, mutes=False
        )
        self._broker = broker
        self._ctx = ctx
        self._call = call
        self._throttle_ms = throttle_ms
        self._acks = call.acks
        self._open: dict[PartitionResult, Partition | None] = {}  # not settled yet
        self._results: Results = [
            (topic, [PartitionResult(index) for index, _, _ in partitions])
            for topic, partitions in call.topics
        ]

    def append_all(self, body: memoryview) -> None:
        for (topic, partitions), (_, results) in zip(self._call.topics, self._results, strict=True):
            for (_, start, end), result in zip(partitions, results, strict=True):
                try:
                    self._append(topic, result, body[start:end] if end >= 0 else NO_BATCH)
                except KafkaError as error:
                    result.fail(error.code, error.message)
                    if isinstance(error, RefusedRecords | RefusedTimestamps):
                        result.record_errors = [(at, None) for at in error.record_indexes]
        self._complete_if_settled()

    def check_without_reply(self) -> None:
        """acks=0: an error closes the connection, which is all a client can notice."""
        for topic, results in self._results:
            for result in results:
                if result.error_code:
                    error = ErrorCode(result.error_code).name
                    raise CloseConnection(f"produce without acks to {topic} failed: {error}")

    def _append(self, key: TopicKey, result: PartitionResult, batch: memoryview) -> None:
        broker, ctx = self._broker, self._ctx
        if self._acks not in (ALL_REPLICAS, NO_REPLY, LEADER_ONLY):
            raise InvalidRequiredAcks
        topic = broker.topic_name(key)
        broker.check_topic(ctx, AclOperation.WRITE, topic)
        partition = broker.partition(topic, result.index)
        if broker.is_internal(topic):
            raise InvalidTopic("internal topics are written by the broker alone")
        check_codec(batch, ctx.api_version)
        if partition.is_in_doubt:
            raise NotLeaderOrFollower
        if self._acks == ALL_REPLICAS and not partition.has_enough_replicas:
            raise NotEnoughReplicas
        broker.check_disk()
        if is_transactional(batch):
            self._append_in_transaction(topic, partition, result, batch)
        else:
            self._stage(topic, partition, result, batch, is_verified=False)

    def _append_in_transaction(
        self, topic: str, partition: Partition, result: PartitionResult, batch: memoryview
    ) -> None:
        """Before a transaction's first batch here, its coordinator has the say (KIP-890)."""
        who, transactional_id = self._producer(batch)
        waiting, joining = self._broker.joining_writes, Joining(partition, who.producer_id)
        if waiting.is_under_way(joining):
            behind = self._waiting(
                result,
                batch,
                lambda kept: self._append_in_transaction(topic, partition, result, kept),
            )
            waiting.wait(joining, behind)
            return
        if partition.log.producers.is_in_transaction(*who):
            self._stage(topic, partition, result, batch, is_verified=False)
            return
        added = self._ask_coordinator(transactional_id, who, (partition.topic, partition.index))
        if not isinstance(added, Parked):
            self._join(added, topic, partition, result, batch)
            return
        waiting.begin(joining)
        joined = self._waiting(
            result, batch, lambda kept: self._join(added.response, topic, partition, result, kept)
        )

        def answered(_: object) -> None:
            joined()
            waiting.end(joining)

        added.when_done(answered)

    def _waiting(
        self, result: PartitionResult, batch: memoryview, act: Callable[[memoryview], None]
    ) -> Callable[[], None]:
        """What is to be called when the batch has waited long enough, to `act` with it."""
        self._open[result] = None
        kept = memoryview(bytearray(batch))  # The request's own buffer ends with this turn.

        def go_on() -> None:
            if result not in self._open:
                return  # Time was up, and the client was told so.
            del self._open[result]
            try:
                act(kept)
            except KafkaError as error:
                result.fail(error.code, error.message)
            self._complete_if_settled()

        return go_on

    def _join(
        self,
        answer: object,
        topic: str,
        partition: Partition,
        result: PartitionResult,
        batch: memoryview,
    ) -> None:
        if isinstance(answer, KafkaError):
            raise KafkaError(code=NOT_NOW)  # The coordinator went meanwhile.
        assert isinstance(answer, ErrorCode), "a coordinator answers with a code"
        if answer is not ErrorCode.NONE:
            raise KafkaError(code=answer)
        self._stage(topic, partition, result, batch, is_verified=True)

    def _stage(
        self,
        topic: str,
        partition: Partition,
        result: PartitionResult,
        batch: memoryview,
        *,
        is_verified: bool,
    ) -> None:
        broker = self._broker
        now_ms = max(self._ctx.now_ms, broker.now_ms)  # It may have waited for a coordinator.
        is_first = is_verified and self._joins_implicitly
        staged = partition.append(batch, now_ms=now_ms, is_verified=is_verified, is_first=is_first)
        broker.mark_dirty(partition)
        result.base_offset = staged.base_offset
        result.log_append_time_ms = staged.log_append_time_ms
        result.log_start_offset = partition.log.log_start_offset
        if not staged.is_duplicate:
            counters = broker.metrics.topic(topic)
            counters.bytes_in += staged.size_bytes
            counters.messages_in += staged.record_count
        if self._acks == NO_REPLY:
            return
        self._open[result] = partition
        end = staged.last_offset + 1

        def written(is_kept: bool) -> None:
            if is_kept and self._acks == ALL_REPLICAS:
                partition.when_committed(end, lambda is_kept: self._settle(result, is_kept))
            else:
                self._settle(result, is_kept)

        partition.when_written(end, written)

    def _producer(self, batch: memoryview) -> tuple[ProducerIdAndEpoch, str]:
        """Who writes a transactional batch, under which id; raises if it may not."""
        transactional_id = self._call.transactional_id
        if transactional_id is None or not allows_transactional_id(
            self._broker, self._ctx, AclOperation.WRITE, transactional_id
        ):
            raise KafkaError(code=ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        return ProducerIdAndEpoch._make(PRODUCER.unpack_from(batch, PRODUCER_AT)), transactional_id

    def _ask_coordinator(
        self, transactional_id: str, who: ProducerIdAndEpoch, at: TopicPartition
    ) -> ErrorCode | KafkaError | Parked:
        """Has the partition join by this write (part 2), or asks whether it has joined (part 1)."""
        broker, version, not_now = self._broker, self._ctx.api_version, NOT_NOW
        if self._joins_implicitly:
            return add_implicitly(broker, transactional_id, who, at, not_now=not_now)
        is_known = version >= ABORTABLE_VERSION_MIN
        return verification_code(
            broker, transactional_id, who, at, is_abortable_known=is_known, not_now=not_now
        )

    @property
    def _joins_implicitly(self) -> bool:
        """Part 2 of KIP-890: each transaction has an epoch of its own, too."""
        return self._ctx.api_version >= IMPLICIT_VERSION_MIN and self._acks == ALL_REPLICAS

    def _settle(self, result: PartitionResult, is_kept: bool) -> None:
        if result not in self._open:
            return
        partition = self._open.pop(result)
        assert partition is not None, "only what was staged settles"
        code = partition.outcome(is_kept=is_kept, is_all=self._acks == ALL_REPLICAS)
        if code is not ErrorCode.NONE:
            result.fail(code, None)
        self._complete_if_settled()

    def _complete_if_settled(self) -> None:
        if not self._open and self._acks != NO_REPLY:
            self.complete(self._body())

    def _time_out(self) -> object:
        for result, partition in self._open.items():
            is_short = partition is not None and not partition.has_enough_replicas
            code = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
            result.fail(code if is_short else ErrorCode.REQUEST_TIMED_OUT, None)
        self._open.clear()
        return self._body()

    def _body(self) -> Parts:
        broker = self._broker
        endpoints = with_leaders(self._results, broker.image, self._ctx.listener, broker.broker_id)
        version = self._ctx.api_version
        return [write_produce(version, self._results, self._throttle_ms, endpoints)]


def is_transactional(batch: memoryview) -> bool:
    """Whether it claims to be; a batch too short to say is the log's affair."""
    return len(batch) >= BATCH_HEADER_BYTES and bool(batch[ATTRIBUTES_AT + 1] & TRANSACTIONAL)


def check_codec(batch: memoryview, version: int) -> None:
    """zstd came with Produce v7 (KIP-110); everything else about a batch is the log's affair."""
    if version >= ZSTD_VERSION_MIN or len(batch) < BATCH_HEADER_BYTES:
        return
    if batch[ATTRIBUTES_AT + 1] & COMPRESSION_MASK == ZSTD:
        raise UnsupportedCompression


def _refuse_old(body: memoryview, version: int) -> Parts:
    """Versions below 3 carry magic 0 or 1; they are advertised only to keep compression on."""
    spec = API_KEYS[API_KEY]
    request: ProduceRequest = decoder(spec.request, version)(body, 0)[0]
    if request.acks == NO_REPLY:
        raise CloseConnection(f"Produce v{version} without acks is not served")
    refused = ProduceResponse(
        responses=[
            ProduceResponseTopic(
                name=topic.name,
                partition_responses=[
                    ProduceResponsePartition(
                        index=partition.index, error_code=ErrorCode.UNSUPPORTED_VERSION
                    )
                    for partition in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ]
    )
    return [encoder(ProduceResponse, version)(refused)]
