"""AddPartitionsToTxn (key 24) v0-3. v2: PRODUCER_FENCED. v3: flexible. v4-5: among brokers, in
batches, to verify or to add (KIP-890).

All partitions are added or none: those that stand in nobody's way are then told
OPERATION_NOT_ATTEMPTED.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.transaction_access import allows_transactional_id, fencing_code
from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnRequestTransaction,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResponsePartition,
    AddPartitionsToTxnResponseTopic,
    AddPartitionsToTxnResponseTransaction,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 24, range(4)

FENCED_FROM = 2
BATCHED_FROM = 4


def handle(
    broker: "Broker", ctx: RequestContext, request: AddPartitionsToTxnRequest
) -> AddPartitionsToTxnResponse | Parked:
    if ctx.api_version >= BATCHED_FROM:
        return _handle_batch(broker, request)
    transactional_id = request.v3_and_below_transactional_id
    if not allows_transactional_id(broker, ctx, AclOperation.WRITE, transactional_id):
        return _refused(request, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if not transactional_id:
        return _refused(request, ErrorCode.INVALID_REQUEST)
    refusals = _refusals(broker, ctx, request)
    if refusals:
        return _response(request, refusals, ErrorCode.OPERATION_NOT_ATTEMPTED)
    shard = broker.coordinators.transaction_shard(transactional_id)
    decision = shard.decide_add_partitions(
        transactional_id,
        ProducerIdAndEpoch(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch),
        _partitions(request),
        now_ms=ctx.now_ms,
    )
    code = fencing_code(decision.response, ctx.api_version, FENCED_FROM)
    return broker.commit(shard, Decision(_refused(request, code), decision.records))


def error_response(
    request: AddPartitionsToTxnRequest, error: KafkaError
) -> AddPartitionsToTxnResponse:
    if request.transactions:
        return AddPartitionsToTxnResponse(error_code=error.code)
    return _refused(request, error.code)


def _handle_batch(
    broker: "Broker", request: AddPartitionsToTxnRequest
) -> AddPartitionsToTxnResponse | Parked:
    """Leaders ask about the partitions that their producers write to; each on its own."""
    asked = [
        (transaction, (topic.name, index))
        for transaction in request.transactions
        for topic in transaction.topics
        for index in topic.partitions
    ]
    answers = [_ask_here(broker, transaction, at) for transaction, at in asked]

    def combine(codes: Sequence[ErrorCode | KafkaError]) -> AddPartitionsToTxnResponse:
        return _batch_response(request, iter(codes))

    whole = gather(answers, combine)
    if isinstance(whole, Parked):
        whole.mutes = False  # What comes behind it is of other partitions, or of other producers.
    return whole


def _ask_here(
    broker: "Broker", transaction: AddPartitionsToTxnRequestTransaction, at: TopicPartition
) -> ErrorCode | KafkaError | Parked:
    who = ProducerIdAndEpoch(transaction.producer_id, transaction.producer_epoch)
    coordinators = broker.coordinators
    ask = (
        coordinators.check_in_transaction_here
        if transaction.verify_only
        else coordinators.add_partition_here
    )
    try:
        return ask(transaction.transactional_id, who, at)
    except KafkaError as error:
        return error


def _batch_response(
    request: AddPartitionsToTxnRequest, codes: Iterator[ErrorCode | KafkaError]
) -> AddPartitionsToTxnResponse:
    def row(index: int) -> AddPartitionsToTxnResponsePartition:
        found = next(codes)
        code = found.code if isinstance(found, KafkaError) else found
        return AddPartitionsToTxnResponsePartition(index, code)

    return AddPartitionsToTxnResponse(
        results_by_transaction=[
            AddPartitionsToTxnResponseTransaction(
                transaction.transactional_id,
                [
                    AddPartitionsToTxnResponseTopic(topic.name, [row(i) for i in topic.partitions])
                    for topic in transaction.topics
                ],
            )
            for transaction in request.transactions
        ]
    )


def _partitions(request: AddPartitionsToTxnRequest) -> list[TopicPartition]:
    return [
        (topic.name, index) for topic in request.v3_and_below_topics for index in topic.partitions
    ]


def _refusals(
    broker: "Broker", ctx: RequestContext, request: AddPartitionsToTxnRequest
) -> dict[TopicPartition, ErrorCode]:
    refused = {}
    for name, index in _partitions(request):
        is_allowed = not broker.is_internal(name) and broker.authorizer.allows(
            ctx.principal, AclOperation.WRITE, ResourceType.TOPIC, name, ctx.client_host
        )
        if not is_allowed:
            refused[name, index] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        elif broker.image.partition(name, index) is None:
            refused[name, index] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return refused


def _refused(request: AddPartitionsToTxnRequest, code: ErrorCode) -> AddPartitionsToTxnResponse:
    return _response(request, {}, code)


def _response(
    request: AddPartitionsToTxnRequest, codes: dict[TopicPartition, ErrorCode], others: ErrorCode
) -> AddPartitionsToTxnResponse:
    return AddPartitionsToTxnResponse(
        results_by_topic_v3_and_below=[
            AddPartitionsToTxnResponseTopic(
                topic.name,
                [
                    AddPartitionsToTxnResponsePartition(
                        index, codes.get((topic.name, index), others)
                    )
                    for index in topic.partitions
                ],
            )
            for topic in request.v3_and_below_topics
        ]
    )
