"""AllocateProducerIds (key 67) v0, flexible, between brokers. (KIP-730)"""

from data_plane.broker.admin_access import AdminBroker
from data_plane.broker.context import RequestContext
from data_plane.metadata.producer_ids import decide_allocate_producer_ids
from data_plane.protocol.messages.allocate_producer_ids import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 67, range(1)


def handle(
    broker: AdminBroker, _ctx: RequestContext, request: AllocateProducerIdsRequest
) -> AllocateProducerIdsResponse | Parked:
    """Raises NotController, BrokerIdNotRegistered or StaleBrokerEpoch."""
    return broker.decide(
        lambda controller: decide_allocate_producer_ids(
            controller.image, request.broker_id, request.broker_epoch
        )
    )
