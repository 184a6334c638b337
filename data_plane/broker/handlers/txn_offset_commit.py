"""TxnOffsetCommit (key 28) v0-4. v2: leader epoch. v3: flexible, membership (KIP-447).
v4: TRANSACTION_ABORTABLE. v5: AddOffsetsToTxn is implied (KIP-890).

The offsets are pending until the transaction's commit marker reaches the group's partition.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import then
from data_plane.broker.group_access import allows_group
from data_plane.broker.offset_rows import Row, decide_rows
from data_plane.broker.transaction_access import (
    add_implicitly,
    allows_transactional_id,
    verification_code,
)
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.coordinator.offsets import OffsetsCommit
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 28, range(6)

ABORTABLE_FROM = 4
IMPLICIT_FROM = 5
NOT_NOW = ErrorCode.COORDINATOR_NOT_AVAILABLE


def handle(
    broker: "Broker", ctx: RequestContext, request: TxnOffsetCommitRequest
) -> TxnOffsetCommitResponse | KafkaError | Parked:
    if not allows_transactional_id(broker, ctx, AclOperation.WRITE, request.transactional_id):
        return _refused(request, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return _refused(request, ErrorCode.GROUP_AUTHORIZATION_FAILED)
    broker.group_shard(request.group_id)  # Nothing joins a transaction for a group held elsewhere.
    producer = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    at = broker.coordinators.offsets_partition(request.group_id)
    if ctx.api_version >= IMPLICIT_FROM:
        added = add_implicitly(broker, request.transactional_id, producer, at, not_now=NOT_NOW)
        return then(added, lambda code: _commit(broker, ctx, request, producer, code))
    checked = verification_code(
        broker,
        request.transactional_id,
        producer,
        at,
        is_abortable_known=ctx.api_version >= ABORTABLE_FROM,
        not_now=NOT_NOW,
    )
    return then(checked, lambda code: _commit(broker, ctx, request, producer, code))


def _commit(
    broker: "Broker",
    ctx: RequestContext,
    request: TxnOffsetCommitRequest,
    producer: ProducerIdAndEpoch,
    code: ErrorCode,
) -> TxnOffsetCommitResponse | Parked:
    """Write the offsets; code: whether the group's partition is in the transaction."""
    if code is not ErrorCode.NONE:
        return _refused(request, code)
    shard = broker.group_shard(request.group_id)

    def decide(offsets: Sequence[OffsetCommitted]) -> Decision[tuple[ErrorCode, ...]]:
        commit = OffsetsCommit(
            group_id=request.group_id,
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            generation=request.generation_id,
            api_version=ctx.api_version,
            offsets=offsets,
            producer=producer,
        )
        return shard.decide_offset_commit(commit, now_ms=ctx.now_ms)

    decision = decide_rows(broker, ctx, request.group_id, _rows(request), decide)
    return broker.commit(shard, decision.answering(_response(request, decision.response)))


def error_response(request: TxnOffsetCommitRequest, error: KafkaError) -> TxnOffsetCommitResponse:
    return _refused(request, error.code)


def _rows(request: TxnOffsetCommitRequest) -> list[Row]:
    return [
        Row(topic.name, partition) for topic in request.topics for partition in topic.partitions
    ]


def _refused(request: TxnOffsetCommitRequest, code: ErrorCode) -> TxnOffsetCommitResponse:
    return _response(request, [code for _ in _rows(request)])


def _response(
    request: TxnOffsetCommitRequest, codes: Iterable[ErrorCode]
) -> TxnOffsetCommitResponse:
    """One code for each row, in the request's order."""
    code = iter(codes)
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(partition.partition_index, next(code))
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
