"""InitProducerId (key 22) v0-5. v2: flexible. v3: resume with (id, epoch) (KIP-360).

Without a transactional id the answer is a fresh producer id at epoch 0, also for one who gives its
old one: such producers bump their epoch themselves. Transactions are not offered yet, and a
transactional id is refused.
"""

from data_plane.broker.admin_access import AdminBroker, allows_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

API_KEY, VERSIONS = 22, range(6)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: InitProducerIdRequest
) -> InitProducerIdResponse | Parked:
    if request.transactional_id is not None:
        return InitProducerIdResponse(error_code=_refusal(broker, ctx, request.transactional_id))
    if not _may_be_idempotent(broker, ctx):
        return InitProducerIdResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    controller = broker.controller
    registration = controller.image.brokers.get(broker.config.broker_id)
    decision = controller.producer_ids.decide_next(
        controller.image,
        broker_id=broker.config.broker_id,
        broker_epoch=-1 if registration is None else registration.broker_epoch,
    )
    return broker.propose(
        Decision(InitProducerIdResponse(producer_id=decision.response), decision.records)
    )


def _refusal(broker: AdminBroker, ctx: RequestContext, transactional_id: str) -> ErrorCode:
    is_allowed = broker.authorizer.allows(
        ctx.principal,
        AclOperation.WRITE,
        ResourceType.TRANSACTIONAL_ID,
        transactional_id,
        ctx.client_host,
    )
    return (
        ErrorCode.INVALID_REQUEST if is_allowed else ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    )


def _may_be_idempotent(broker: AdminBroker, ctx: RequestContext) -> bool:
    """IDEMPOTENT_WRITE on the cluster, or WRITE on any topic (KIP-679)."""
    return allows_cluster(
        broker, ctx, AclOperation.IDEMPOTENT_WRITE
    ) or broker.authorizer.allows_on_any(
        ctx.principal, AclOperation.WRITE, ResourceType.TOPIC, ctx.client_host
    )
