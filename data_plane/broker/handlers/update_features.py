"""UpdateFeatures (key 57) v0-2, flexible. v1: upgrade type, validate only. v2: no result rows.

All features are updated or none, so what is wrong with one is told at the top, as Apache Kafka does
since 4.0 in every version; rows are there only when all went well. (KIP-584, KIP-1022)
"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.features import decide_update_features, supported_up_to
from data_plane.protocol.messages.update_features import (
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 57, range(3)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: UpdateFeaturesRequest
) -> UpdateFeaturesResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed, and what is decided."""
    require_cluster(broker, ctx, AclOperation.ALTER)

    def choose(controller: Controller) -> Decision[UpdateFeaturesResponse]:
        decision = decide_update_features(
            controller.image,
            request.feature_updates,
            supported=supported_up_to(broker.config.ottla_version_max),
            validate_only=request.validate_only,
        )
        return decision.answering(UpdateFeaturesResponse(results=decision.response))

    return broker.decide(choose)
