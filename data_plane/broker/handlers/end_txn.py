"""EndTxn (key 26) v0-5. v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE. v5: the epoch
is raised, and a new producer id given when there is no next one (KIP-890, part 2).

Success means that the end is decided and durable; the markers follow, and until the last of them
is written the id's next transaction is told CONCURRENT_TRANSACTIONS.
"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import then
from data_plane.broker.transaction_access import (
    allows_transactional_id,
    draw_producer_id,
    fencing_code,
)
from data_plane.coordinator.transaction import NO_PRODUCER_ID, ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 26, range(6)

FENCED_FROM = 2
BUMPING_FROM = 5


def handle(
    broker: "Broker", ctx: RequestContext, request: EndTxnRequest
) -> EndTxnResponse | KafkaError | Parked:
    transactional_id = request.transactional_id
    if not allows_transactional_id(broker, ctx, AclOperation.WRITE, transactional_id):
        return EndTxnResponse(error_code=ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if not transactional_id:
        return EndTxnResponse(error_code=ErrorCode.INVALID_REQUEST)
    who = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    shard = broker.coordinators.transaction_shard(transactional_id)
    if ctx.api_version >= BUMPING_FROM:
        if shard.needs_producer_id_to_end(transactional_id, who):
            return then(
                draw_producer_id(broker), lambda drawn: _end(broker, ctx, request, who, drawn)
            )
        return _end(broker, ctx, request, who, NO_PRODUCER_ID)
    decision = shard.decide_end(
        transactional_id, who, is_commit=request.committed, now_ms=ctx.now_ms
    )
    code = fencing_code(decision.response, ctx.api_version, FENCED_FROM)
    return broker.commit(shard, Decision(EndTxnResponse(error_code=code), decision.records))


def _end(
    broker: "Broker",
    ctx: RequestContext,
    request: EndTxnRequest,
    who: ProducerIdAndEpoch,
    new_producer_id: int,
) -> EndTxnResponse | Parked:
    shard = broker.coordinators.transaction_shard(request.transactional_id)
    decision = shard.decide_bumping_end(
        request.transactional_id,
        who,
        is_commit=request.committed,
        new_producer_id=new_producer_id,
        now_ms=ctx.now_ms,
    )
    got = decision.response
    if isinstance(got, ErrorCode):
        response = EndTxnResponse(error_code=got)
    else:
        response = EndTxnResponse(producer_id=got.producer_id, producer_epoch=got.producer_epoch)
    return broker.commit(shard, Decision(response, decision.records))
