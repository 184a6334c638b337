"""BrokerHeartbeat (key 63) v1, flexible, between brokers. (KIP-631)"""

from data_plane.broker.admin_access import DecidingBroker
from data_plane.broker.context import RequestContext
from data_plane.metadata.heartbeats import decide_heartbeat
from data_plane.protocol.messages.broker_heartbeat import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 63, range(1, 2)


def handle(
    broker: DecidingBroker, ctx: RequestContext, request: BrokerHeartbeatRequest
) -> BrokerHeartbeatResponse | Parked:
    """Raises NotController, BrokerIdNotRegistered or StaleBrokerEpoch."""
    return broker.decide(
        lambda controller: decide_heartbeat(controller.hearing(ctx.now_ms), request)
    )
