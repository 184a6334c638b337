"""DescribeAcls (key 29) v1-3. v1: pattern types (KIP-290). v2: flexible. v3: user resources."""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.acls import matching
from data_plane.metadata.records import AccessControlEntryRecord
from data_plane.protocol.messages.describe_acls import (
    DescribeAclsRequest,
    DescribeAclsResponse,
    DescribeAclsResponseAcl,
    DescribeAclsResponseResource,
)
from data_plane.security.acls import AclFilter, AclOperation

API_KEY, VERSIONS = 29, range(1, 4)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeAclsRequest
) -> DescribeAclsResponse:
    """DESCRIBE on the cluster shows them all. Raises ClusterAuthorizationFailed, InvalidRequest."""
    require_cluster(broker, ctx, AclOperation.DESCRIBE)
    chosen = AclFilter(
        request.resource_type_filter,
        request.resource_name_filter,
        request.pattern_type_filter,
        request.principal_filter,
        request.host_filter,
        request.operation,
        request.permission_type,
    )
    by_resource: dict[tuple[int, str, int], list[AccessControlEntryRecord]] = {}
    for entry in matching(broker.image, chosen):
        resource = (entry.resource_type, entry.resource_name, entry.pattern_type)
        by_resource.setdefault(resource, []).append(entry)
    return DescribeAclsResponse(
        resources=[
            DescribeAclsResponseResource(*resource, acls=[_acl(entry) for entry in entries])
            for resource, entries in by_resource.items()
        ]
    )


def _acl(entry: AccessControlEntryRecord) -> DescribeAclsResponseAcl:
    return DescribeAclsResponseAcl(
        entry.principal, entry.host, entry.operation, entry.permission_type
    )
