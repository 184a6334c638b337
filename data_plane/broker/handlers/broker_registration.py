"""BrokerRegistration (key 62) v4, flexible, between brokers. (KIP-631)"""

from data_plane.broker.admin_access import DecidingBroker
from data_plane.broker.context import RequestContext
from data_plane.metadata.brokers import decide_register_broker
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import (
    BrokerFeature,
    BrokerListener,
    RegisterBrokerRecord,
    RestartKind,
)
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError
from data_plane.protocol.messages.broker_registration import (
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 62, range(4, 5)


def handle(
    broker: DecidingBroker, ctx: RequestContext, request: BrokerRegistrationRequest
) -> BrokerRegistrationResponse | Parked:
    """Raises NotController, DuplicateBrokerRegistration, InvalidRegistration or UnsupportedVersion.

    A cluster id that is not this cluster's is refused with INCONSISTENT_CLUSTER_ID.
    """
    if request.cluster_id != broker.cluster_id:
        raise KafkaError(
            f"This is cluster {broker.cluster_id}.", code=ErrorCode.INCONSISTENT_CLUSTER_ID
        )
    registration = registration_of(request)

    def choose(controller: Controller) -> Decision[BrokerRegistrationResponse]:
        known = controller.image.brokers.get(request.broker_id)
        if known is not None and known.incarnation_id == request.incarnation_id:
            # It asks again, because the answer was lost.
            return Decision(BrokerRegistrationResponse(broker_epoch=known.broker_epoch))
        sessions = controller.hearing(ctx.now_ms).sessions
        decision = decide_register_broker(
            controller.scope,
            registration,
            next_offset=controller.next_offset,
            is_alive=sessions.is_alive(request.broker_id, ctx.now_ms),
            unheard=sessions.unheard(controller.image),
        )
        return decision.answering(BrokerRegistrationResponse(broker_epoch=decision.response))

    return broker.decide(choose)


def registration_of(request: BrokerRegistrationRequest) -> RegisterBrokerRecord:
    """The record that a request asks for: fenced, with the epoch of the clean stop before it.

    Raises InvalidRequest.
    """
    if len(request.log_dirs) != 1 or request.restart_kind not in set(RestartKind):
        raise InvalidRequest("A broker has one log directory and a kind of restart.")
    return RegisterBrokerRecord(
        broker_id=request.broker_id,
        incarnation_id=request.incarnation_id,
        broker_epoch=request.previous_broker_epoch,
        directory_id=request.log_dirs[0],
        node_id=request.node_id,
        rack=request.rack or request.node_id,
        listeners=tuple(BrokerListener(e.name, e.host, e.port) for e in request.listeners),
        is_fenced=True,
        features=tuple(
            BrokerFeature(e.name, e.min_supported_version, e.max_supported_version)
            for e in request.features
        ),
        restart_kind=request.restart_kind,
        spec_broker_count=request.spec_broker_count,
    )
