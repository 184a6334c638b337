"""UnregisterBroker (key 64) v0, flexible. (KIP-631)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.brokers import decide_unregister
from data_plane.protocol.messages.unregister_broker import (
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 64, range(1)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: UnregisterBrokerRequest
) -> UnregisterBrokerResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed, BrokerIdNotRegistered."""
    require_cluster(broker, ctx, AclOperation.ALTER)
    return broker.decide(
        lambda controller: decide_unregister(controller.scope, request.broker_id).answering(
            UnregisterBrokerResponse()
        )
    )
