"""DeleteAcls (key 31) v1-3. v1: pattern types (KIP-290). v2: flexible. v3: user resources."""

from collections.abc import Sequence

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.acls import decide_delete_acls
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import AccessControlEntryRecord
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.delete_acls import (
    DeleteAclsRequest,
    DeleteAclsRequestFilter,
    DeleteAclsResponse,
    DeleteAclsResponseFilterResult,
    DeleteAclsResponseMatchingAcl,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclFilter, AclOperation

API_KEY, VERSIONS = 31, range(1, 4)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DeleteAclsRequest
) -> DeleteAclsResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.ALTER)
    filters = [_filter(each) for each in request.filters]

    def choose(controller: Controller) -> Decision[DeleteAclsResponse]:
        decision = decide_delete_acls(controller.image, filters)
        results = [_result(found) for found in decision.response]
        return decision.answering(DeleteAclsResponse(filter_results=results))

    return broker.decide(choose)


def error_response(request: DeleteAclsRequest, error: KafkaError) -> DeleteAclsResponse:
    return DeleteAclsResponse(filter_results=[_result(error)] * len(request.filters))


def _filter(asked: DeleteAclsRequestFilter) -> AclFilter:
    return AclFilter(
        asked.resource_type_filter,
        asked.resource_name_filter,
        asked.pattern_type_filter,
        asked.principal_filter,
        asked.host_filter,
        asked.operation,
        asked.permission_type,
    )


def _result(
    found: Sequence[AccessControlEntryRecord] | KafkaError,
) -> DeleteAclsResponseFilterResult:
    if isinstance(found, KafkaError):
        return DeleteAclsResponseFilterResult(found.code, found.message)
    return DeleteAclsResponseFilterResult(
        matching_acls=[
            DeleteAclsResponseMatchingAcl(
                resource_type=entry.resource_type,
                resource_name=entry.resource_name,
                pattern_type=entry.pattern_type,
                principal=entry.principal,
                host=entry.host,
                operation=entry.operation,
                permission_type=entry.permission_type,
            )
            for entry in found
        ]
    )
