"""EndTxn (key 26) v0-4. v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE.

Success means that the end is decided and durable; the markers follow, and until the last of them
is written the id's next transaction is told CONCURRENT_TRANSACTIONS.
"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.transaction_access import allows_transactional_id, fencing_code
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 26, range(5)

FENCED_FROM = 2


def handle(
    broker: "Broker", ctx: RequestContext, request: EndTxnRequest
) -> EndTxnResponse | Parked:
    transactional_id = request.transactional_id
    if not allows_transactional_id(broker, ctx, AclOperation.WRITE, transactional_id):
        return EndTxnResponse(error_code=ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if not transactional_id:
        return EndTxnResponse(error_code=ErrorCode.INVALID_REQUEST)
    shard = broker.coordinators.transaction_shard(transactional_id)
    decision = shard.decide_end(
        transactional_id,
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        is_commit=request.committed,
        now_ms=ctx.now_ms,
    )
    code = fencing_code(decision.response, ctx.api_version, FENCED_FROM)
    return broker.commit(shard, Decision(EndTxnResponse(error_code=code), decision.records))
