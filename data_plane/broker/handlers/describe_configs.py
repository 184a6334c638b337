"""DescribeConfigs (key 32) v0-4. v1: synonyms and source (v0: is_default). v3: types and
documentation (KIP-569). v4: flexible.

Every key of the catalogue is answered, set or not (kafka-protocol.md item 83). A broker answers for
itself by its id; the empty broker name asks for what is set for the whole cluster. Loggers of this
process (type 8) and consumer groups (32) are told too; there are no client metrics (16).
"""

from collections.abc import Sequence

from data_plane.broker import loggers
from data_plane.broker.admin_access import (
    AdminBroker,
    AuthorizationFailed,
    GroupAuthorizationFailed,
    allows_group_configs,
    allows_topic,
    config_scope,
    require_cluster,
)
from data_plane.broker.context import RequestContext
from data_plane.metadata.config_keys import ConfigKey, ConfigSource, ConfigType
from data_plane.metadata.effective_configs import Candidate, ConfigRow
from data_plane.metadata.image import (
    BROKER_RESOURCE,
    GROUP_RESOURCE,
    LOGGER_RESOURCE,
    TOPIC_RESOURCE,
)
from data_plane.metadata.topic_names import check_topic_name
from data_plane.protocol.errors import InvalidRequest, KafkaError, UnknownTopicOrPartition
from data_plane.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsRequestResource,
    DescribeConfigsResponse,
    DescribeConfigsResponseConfig,
    DescribeConfigsResponseResult,
    DescribeConfigsResponseSynonym,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 32, range(5)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeConfigsRequest
) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(
        results=[_result(broker, ctx, request, resource) for resource in request.resources]
    )


def _result(
    broker: AdminBroker,
    ctx: RequestContext,
    request: DescribeConfigsRequest,
    resource: DescribeConfigsRequestResource,
) -> DescribeConfigsResponseResult:
    try:
        rows = _rows(broker, ctx, resource)
    except KafkaError as error:
        return DescribeConfigsResponseResult(
            error.code, error.message, resource.resource_type, resource.resource_name
        )
    # Null asks for all keys, and so does an empty list (as in Kafka).
    wanted = set(resource.configuration_keys or ())
    return DescribeConfigsResponseResult(
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=[_config(row, request) for row in rows if not wanted or row.key.name in wanted],
    )


def _rows(
    broker: AdminBroker, ctx: RequestContext, resource: DescribeConfigsRequestResource
) -> Sequence[ConfigRow]:
    """Return every key of one resource. Raises KafkaError where it cannot be told."""
    name = resource.resource_name
    scope = config_scope(broker, broker.image)
    if resource.resource_type == TOPIC_RESOURCE:
        if not allows_topic(broker, ctx, AclOperation.DESCRIBE_CONFIGS, name):
            raise AuthorizationFailed
        check_topic_name(name)
        if broker.image.topic(name) is None:
            raise UnknownTopicOrPartition
        return scope.topic_rows(broker.image.topic_configs(name))
    if resource.resource_type == GROUP_RESOURCE:
        if not name:
            raise InvalidRequest("Group name cannot be empty.")
        if not allows_group_configs(broker, ctx, AclOperation.DESCRIBE_CONFIGS, name):
            raise GroupAuthorizationFailed
        return scope.group_rows(broker.image.group_configs(name))
    if resource.resource_type not in (BROKER_RESOURCE, LOGGER_RESOURCE):
        raise InvalidRequest(f"Resource type {resource.resource_type} has no configs here.")
    require_cluster(broker, ctx, AclOperation.DESCRIBE_CONFIGS)
    is_logger = resource.resource_type == LOGGER_RESOURCE
    if not name and not is_logger:
        return scope.cluster_default_rows()
    if name != str(broker.config.broker_id):
        raise InvalidRequest(
            f"Unexpected broker id, expected {broker.config.broker_id} or empty string, "
            f"but received {name}"
        )
    return _logger_rows() if is_logger else scope.broker_rows()


def _logger_rows() -> list[ConfigRow]:
    """One key for each logger of this process; none has a default or a type (KIP-412)."""
    return [
        ConfigRow(
            ConfigKey(name, ConfigType.UNKNOWN, None, ""),
            (Candidate(name, level, ConfigSource.BROKER_LOGGER),),
        )
        for name, level in loggers.levels().items()
    ]


def _config(row: ConfigRow, request: DescribeConfigsRequest) -> DescribeConfigsResponseConfig:
    key = row.key
    synonyms = (
        [
            DescribeConfigsResponseSynonym(
                each.name, None if key.is_sensitive else each.value, each.source
            )
            for each in row.candidates
            # A default that is no value is no synonym either.
            if each.value is not None or key.is_sensitive
        ]
        if request.include_synonyms and row.source is not ConfigSource.BROKER_LOGGER
        else []
    )
    return DescribeConfigsResponseConfig(
        name=key.name,
        value=None if key.is_sensitive else row.value,
        read_only=row.is_read_only,
        config_source=row.source,
        is_default=row.source is ConfigSource.DEFAULT,
        is_sensitive=key.is_sensitive,
        synonyms=synonyms,
        config_type=key.type,
        documentation=(key.about or None) if request.include_documentation else None,
    )
