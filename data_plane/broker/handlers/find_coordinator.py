"""FindCoordinator (key 10) v0-6. v1: key types. v3: flexible. v4: several keys (KIP-699).
v6: share groups, which no broker of ours coordinates.

Asking for a coordinator has its internal topic created if there is none yet, and is answered when
it is there; if it cannot be, by COORDINATOR_NOT_AVAILABLE, upon which clients ask again. Key types
other than groups and transactions are refused with INVALID_REQUEST.
"""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.find_coordinator import (
    GROUP,
    TRANSACTION,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    FindCoordinatorResponseCoordinator,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

API_KEY, VERSIONS = 10, range(7)

REFUSALS = {
    GROUP: (ResourceType.GROUP, ErrorCode.GROUP_AUTHORIZATION_FAILED),
    TRANSACTION: (
        ResourceType.TRANSACTIONAL_ID,
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ),
}


def handle(
    broker: GroupBroker, ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse | Parked:
    response = _answer(broker, ctx, request)
    created = broker.internal_topics_created()
    if created is None:
        return response
    # A first consumer that were told to ask again would do so half a second later.
    parked = Parked()

    def answer(_: object) -> None:
        parked.complete(_answer(broker, ctx, request))

    created.when_done(answer)
    return parked


def _answer(
    broker: GroupBroker, ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse:
    if ctx.api_version >= 4:
        return FindCoordinatorResponse(
            coordinators=[
                _find(broker, ctx, request.key_type, key) for key in request.coordinator_keys
            ]
        )
    found = _find(broker, ctx, request.key_type, request.key)
    return FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=found.error_message,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _find(
    broker: GroupBroker, ctx: RequestContext, key_type: int, key: str
) -> FindCoordinatorResponseCoordinator:
    if key_type not in REFUSALS:
        code = ErrorCode.INVALID_REQUEST
        return _failed(key, code, "This broker coordinates groups and transactions only.")
    resource_type, code = REFUSALS[key_type]
    operation = AclOperation.DESCRIBE
    is_allowed = ctx.is_internal or broker.authorizer.allows(
        ctx.principal, operation, resource_type, key, ctx.client_host
    )
    if not is_allowed:
        return _failed(key, code, code.text)
    try:
        if key_type == GROUP:
            node = broker.group_coordinator(key, ctx.listener)
        else:
            node = broker.transaction_coordinator(key, ctx.listener)
    except KafkaError as error:  # Whatever keeps it from being there, clients shall ask again.
        return _failed(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, error.message)
    return FindCoordinatorResponseCoordinator(
        key=key, node_id=node.node_id, host=node.host, port=node.port
    )


def _failed(key: str, code: ErrorCode, message: str) -> FindCoordinatorResponseCoordinator:
    return FindCoordinatorResponseCoordinator(key=key, error_code=code, error_message=message)
