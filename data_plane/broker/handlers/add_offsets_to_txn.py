"""AddOffsetsToTxn (key 25) v0-4. v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE.

The group's partition of the offsets topic joins the transaction like any other.
"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import allows_group
from data_plane.broker.transaction_access import allows_transactional_id, fencing_code
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.add_offsets_to_txn import (
    AddOffsetsToTxnRequest,
    AddOffsetsToTxnResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 25, range(5)

FENCED_FROM = 2


def handle(
    broker: "Broker", ctx: RequestContext, request: AddOffsetsToTxnRequest
) -> AddOffsetsToTxnResponse | Parked:
    transactional_id = request.transactional_id
    if not allows_transactional_id(broker, ctx, AclOperation.WRITE, transactional_id):
        code = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        return AddOffsetsToTxnResponse(error_code=code)
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return AddOffsetsToTxnResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    if not transactional_id:
        return AddOffsetsToTxnResponse(error_code=ErrorCode.INVALID_REQUEST)
    at = broker.coordinators.offsets_partition(request.group_id)
    shard = broker.coordinators.transaction_shard(transactional_id)
    decision = shard.decide_add_partitions(
        transactional_id,
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        [at],
        now_ms=ctx.now_ms,
    )
    code = fencing_code(decision.response, ctx.api_version, FENCED_FROM)
    return broker.commit(
        shard, Decision(AddOffsetsToTxnResponse(error_code=code), decision.records)
    )
