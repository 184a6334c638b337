"""InitProducerId (key 22) v0-5. v2: flexible. v3: resume with (id, epoch) (KIP-360).
v4: PRODUCER_FENCED. v5: TRANSACTION_ABORTABLE.

Without a transactional id the answer is a fresh producer id at epoch 0, also for one who gives its
old one: such producers bump their epoch themselves. With one, the epoch is raised, so that every
older producer of that id is fenced; an open transaction is aborted first, until when the answer is
CONCURRENT_TRANSACTIONS, upon which clients ask again.
"""

from typing import TYPE_CHECKING

from data_plane.broker.admin_access import AdminBroker, allows_cluster
from data_plane.broker.context import RequestContext
from data_plane.broker.gather import then
from data_plane.broker.transaction_access import (
    allows_transactional_id,
    draw_producer_id,
    fencing_code,
)
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.coordinator.transactions_shard import Initialised
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 22, range(6)

FENCED_FROM = 4
NONE = -1


def handle(
    broker: "Broker", ctx: RequestContext, request: InitProducerIdRequest
) -> InitProducerIdResponse | KafkaError | Parked:
    code = _refusal(broker, ctx, request)
    if code is not ErrorCode.NONE:
        return _refused(code)
    if request.transactional_id is None:
        return then(draw_producer_id(broker), lambda drawn: InitProducerIdResponse(0, 0, drawn))
    return _transactional(broker, ctx, request, request.transactional_id)


def _refusal(broker: "Broker", ctx: RequestContext, request: InitProducerIdRequest) -> ErrorCode:
    transactional_id = request.transactional_id
    if transactional_id is not None:
        if not allows_transactional_id(broker, ctx, AclOperation.WRITE, transactional_id):
            return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    elif not _may_be_idempotent(broker, ctx):
        return ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    is_half_told = (request.producer_id == NONE) != (request.producer_epoch == NONE)
    return ErrorCode.INVALID_REQUEST if is_half_told or transactional_id == "" else ErrorCode.NONE


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_epoch=NONE)


def _transactional(
    broker: "Broker", ctx: RequestContext, request: InitProducerIdRequest, transactional_id: str
) -> InitProducerIdResponse | KafkaError | Parked:
    shard = broker.coordinators.transaction_shard(transactional_id)
    code = shard.check_timeout(request.transaction_timeout_ms)
    if code is not ErrorCode.NONE:
        return _refused(code)
    expected = None
    if request.producer_id != NONE:
        expected = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)

    def initialise(new_producer_id: int) -> InitProducerIdResponse | Parked:
        shard = broker.coordinators.transaction_shard(transactional_id)
        decision = shard.decide_init_producer_id(
            transactional_id,
            timeout_ms=request.transaction_timeout_ms,
            expected=expected,
            new_producer_id=new_producer_id,
            now_ms=ctx.now_ms,
        )
        response = _response(decision.response, ctx.api_version)
        return broker.commit(shard, Decision(response, decision.records))

    if not shard.needs_producer_id(transactional_id, expected):
        return initialise(NONE)
    return then(draw_producer_id(broker), initialise)


def _response(got: Initialised, version: int) -> InitProducerIdResponse:
    if isinstance(got, ErrorCode):
        return _refused(fencing_code(got, version, FENCED_FROM))
    return InitProducerIdResponse(producer_id=got.producer_id, producer_epoch=got.producer_epoch)


def _may_be_idempotent(broker: AdminBroker, ctx: RequestContext) -> bool:
    """IDEMPOTENT_WRITE on the cluster, or WRITE on any topic (KIP-679)."""
    return allows_cluster(
        broker, ctx, AclOperation.IDEMPOTENT_WRITE
    ) or broker.authorizer.allows_on_any(
        ctx.principal, AclOperation.WRITE, ResourceType.TOPIC, ctx.client_host
    )
