"""ListTransactions (key 66) v0-1, flexible. v1: duration filter. (KIP-664)

v2 is not served: its pattern is a regular expression of the client's, which Kafka runs in an engine
that takes linear time and Python has none of.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.transaction_access import allows_transactional_id
from data_plane.coordinator.transaction import Transaction, TransactionState
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
    ListTransactionsResponseTransaction,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 66, range(2)

LABELS = {state.label for state in TransactionState}
Row = ListTransactionsResponseTransaction


def handle(
    broker: "Broker", ctx: RequestContext, request: ListTransactionsRequest
) -> ListTransactionsResponse | Parked:
    parts = [
        broker.commit(
            shard,
            Decision(
                [
                    Row(known.transactional_id, known.producer_id, known.state.label)
                    for known in shard.transactions.values()
                    if _is_wanted(request, known, ctx.now_ms)
                    and allows_transactional_id(
                        broker, ctx, AclOperation.DESCRIBE, known.transactional_id
                    )
                ]
            ),
        )
        for shard in broker.coordinators.transaction_shards()
    ]
    unknown = [name for name in request.state_filters if name not in LABELS]

    def combine(lists: Sequence[list[Row] | KafkaError]) -> ListTransactionsResponse:
        rows: list[Row] = []
        for found in lists:
            if isinstance(found, KafkaError):
                return ListTransactionsResponse(error_code=found.code)
            rows += found
        return ListTransactionsResponse(unknown_state_filters=unknown, transaction_states=rows)

    return gather(parts, combine)


def _is_wanted(request: ListTransactionsRequest, known: Transaction, now_ms: int) -> bool:
    if request.state_filters and known.state.label not in request.state_filters:
        return False
    if request.producer_id_filters and known.producer_id not in request.producer_id_filters:
        return False
    if request.duration_filter < 0:
        return True
    return known.start_ms >= 0 and now_ms - known.start_ms > request.duration_filter
