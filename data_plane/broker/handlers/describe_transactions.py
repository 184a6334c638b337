"""DescribeTransactions (key 65) v0, flexible. (KIP-664)"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import allows_topic
from data_plane.broker.transaction_access import allows_transactional_id
from data_plane.coordinator.transaction import Transaction
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    DescribeTransactionsResponseTopic,
    DescribeTransactionsResponseTransaction,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 65, range(1)

Row = DescribeTransactionsResponseTransaction


def handle(
    broker: "Broker", ctx: RequestContext, request: DescribeTransactionsRequest
) -> DescribeTransactionsResponse | Parked:
    ids = request.transactional_ids
    parts = [_describe(broker, ctx, transactional_id) for transactional_id in ids]
    return gather(
        parts,
        lambda rows: DescribeTransactionsResponse(
            transaction_states=[
                Row(row.code, transactional_id) if isinstance(row, KafkaError) else row
                for transactional_id, row in zip(ids, rows, strict=True)
            ]
        ),
    )


def _describe(
    broker: "Broker", ctx: RequestContext, transactional_id: str
) -> Row | KafkaError | Parked:
    if not allows_transactional_id(broker, ctx, AclOperation.DESCRIBE, transactional_id):
        return KafkaError(code=ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if not transactional_id:
        return KafkaError(code=ErrorCode.INVALID_REQUEST)
    try:
        shard = broker.coordinators.transaction_shard(transactional_id)
    except KafkaError as error:
        return error
    known = shard.transactions.get(transactional_id)
    if known is None:
        row = Row(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, transactional_id)
    else:
        row = _row(broker, ctx, known)
    return broker.commit(shard, Decision(row))


def _row(broker: "Broker", ctx: RequestContext, known: Transaction) -> Row:
    by_topic: dict[str, list[int]] = {}
    for topic, index in sorted(known.partitions):
        by_topic.setdefault(topic, []).append(index)
    return Row(
        transactional_id=known.transactional_id,
        transaction_state=known.state.label,
        transaction_timeout_ms=known.timeout_ms,
        transaction_start_time_ms=known.start_ms,
        producer_id=known.producer_id,
        producer_epoch=known.producer_epoch,
        topics=[
            DescribeTransactionsResponseTopic(topic, partitions)
            for topic, partitions in by_topic.items()
            if allows_topic(broker, ctx, AclOperation.DESCRIBE, topic)
        ],
    )
