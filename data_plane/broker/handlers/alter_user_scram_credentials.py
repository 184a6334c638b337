"""AlterUserScramCredentials (key 51) v0, flexible. (KIP-554)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.scram_credentials import decide_alter_scram_credentials
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResponseResult,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 51, range(1)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: AlterUserScramCredentialsRequest
) -> AlterUserScramCredentialsResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.ALTER)

    def choose(controller: Controller) -> Decision[AlterUserScramCredentialsResponse]:
        decision = decide_alter_scram_credentials(controller.image, request)
        return decision.answering(AlterUserScramCredentialsResponse(results=decision.response))

    return broker.decide(choose)


def error_response(
    request: AlterUserScramCredentialsRequest, error: KafkaError
) -> AlterUserScramCredentialsResponse:
    names = [each.name for each in request.deletions]
    names += [each.name for each in request.upsertions]
    return AlterUserScramCredentialsResponse(
        results=[
            AlterUserScramCredentialsResponseResult(name, error.code, error.message)
            for name in dict.fromkeys(names)
        ]
    )
