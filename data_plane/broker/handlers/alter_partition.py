"""AlterPartition (key 56) v2-3, flexible, between brokers: ISRs and commit modes (KIP-497)."""

from data_plane.broker.admin_access import AdminBroker
from data_plane.broker.context import RequestContext
from data_plane.metadata.isr_changes import decide_alter_partition
from data_plane.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 56, range(2, 4)


def handle(
    broker: AdminBroker, _ctx: RequestContext, request: AlterPartitionRequest
) -> AlterPartitionResponse | Parked:
    """Raises NotController, BrokerIdNotRegistered or StaleBrokerEpoch."""
    return broker.decide(lambda controller: decide_alter_partition(controller.scope, request))
