"""ElectLeaders (key 43) v0-2. v1: election type, error at the top (KIP-460). v2: flexible."""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_elect_leaders
from data_plane.protocol.errors import InvalidRequest, KafkaError
from data_plane.protocol.messages.elect_leaders import (
    PREFERRED,
    UNCLEAN,
    ElectLeadersRequest,
    ElectLeadersResponse,
    ElectLeadersResponsePartition,
    ElectLeadersResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 43, range(3)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: ElectLeadersRequest
) -> ElectLeadersResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed, InvalidRequest."""
    require_cluster(broker, ctx, AclOperation.ALTER)
    if request.election_type not in (PREFERRED, UNCLEAN):
        raise InvalidRequest(f"Unknown election type {request.election_type}")

    def choose(controller: Controller) -> Decision[ElectLeadersResponse]:
        decision = decide_elect_leaders(
            controller.scope,
            request.topic_partitions,
            request.election_type,
            controller.ends_of,
        )
        return decision.answering(ElectLeadersResponse(replica_election_results=decision.response))

    return broker.decide(choose)


def error_response(request: ElectLeadersRequest, error: KafkaError) -> ElectLeadersResponse:
    """Version 0 has no error at its top, so each partition carries it as well."""
    return ElectLeadersResponse(
        error_code=error.code,
        replica_election_results=[
            ElectLeadersResponseTopic(
                topic.topic,
                [
                    ElectLeadersResponsePartition(index, error.code, error.message)
                    for index in topic.partitions
                ],
            )
            for topic in request.topic_partitions or ()
        ],
    )
