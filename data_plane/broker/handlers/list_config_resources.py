"""ListConfigResources (key 74) v0-1, flexible. v1: any type of resource (KIP-1142).

Client metrics are not collected here, so none have configs.
"""

from collections.abc import Iterator

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.image import (
    BROKER_RESOURCE,
    GROUP_RESOURCE,
    LOGGER_RESOURCE,
    TOPIC_RESOURCE,
    MetadataImage,
)
from data_plane.protocol.errors import UnsupportedVersion
from data_plane.protocol.messages.list_config_resources import (
    CLIENT_METRICS,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from data_plane.protocol.messages.list_config_resources import (
    ListConfigResourcesResponseConfigResource as Resource,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 74, range(2)

TYPES_BY_VERSION = (
    frozenset({CLIENT_METRICS}),
    frozenset({TOPIC_RESOURCE, BROKER_RESOURCE, LOGGER_RESOURCE, CLIENT_METRICS, GROUP_RESOURCE}),
)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: ListConfigResourcesRequest
) -> ListConfigResourcesResponse:
    """DESCRIBE_CONFIGS on the cluster shows every name (as in Kafka).

    Raises ClusterAuthorizationFailed, UnsupportedVersion.
    """
    require_cluster(broker, ctx, AclOperation.DESCRIBE_CONFIGS)
    known = TYPES_BY_VERSION[ctx.api_version]
    if not known.issuperset(request.resource_types):
        raise UnsupportedVersion
    types = frozenset(request.resource_types) or known
    return ListConfigResourcesResponse(config_resources=list(_resources(broker.image, types)))


def _resources(image: MetadataImage, types: frozenset[int]) -> Iterator[Resource]:
    for kind in (BROKER_RESOURCE, LOGGER_RESOURCE):
        if kind in types:
            yield from (Resource(str(broker_id), kind) for broker_id in sorted(image.brokers))
    if TOPIC_RESOURCE in types:
        yield from (Resource(name, TOPIC_RESOURCE) for name in sorted(image.topics))
    if GROUP_RESOURCE in types:
        yield from (
            Resource(name, GROUP_RESOURCE)
            for kind, name in sorted(image.configs)
            if kind == GROUP_RESOURCE
        )
