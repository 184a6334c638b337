"""What the handlers of admin APIs share: the part of the broker they use, and who may do what."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from data_plane.broker.client_quotas import BrokerQuotas
from data_plane.broker.config import BrokerConfig
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_cache import MetadataCache
from data_plane.broker.static_configs import static_configs
from data_plane.metadata.configs import BROKER_CONFIGS
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import GROUP_RESOURCE, TOPIC_RESOURCE, MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclAuthorizer, AclOperation, ResourceType

R = TypeVar("R")

OPERATIONS_HIDDEN = 0  # Asked for by somebody who may not know them (KIP-430).


class DecidingBroker(Protocol):
    """What the handlers on the quorum's own thread use."""

    @property
    def cluster_id(self) -> str: ...

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """As AdminBroker's."""


class AdminBroker(Protocol):
    """The part of the broker that admin handlers use, so that tests may stand in for it."""

    @property
    def authorizer(self) -> AclAuthorizer: ...

    @property
    def config(self) -> BrokerConfig: ...

    @property
    def cluster_id(self) -> str: ...

    @property
    def controller_id(self) -> int | None:
        """Who decides now, as far as this broker knows."""

    @property
    def metadata_cache(self) -> MetadataCache: ...

    @property
    def quotas(self) -> BrokerQuotas: ...

    @property
    def image(self) -> MetadataImage:
        """What the quorum has committed and this broker has taken in."""

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """Have the active controller decide; answers once it is committed and applied here.

        Raises NotController, or the parked answer is that.
        """

    def in_slices(self, steps: Iterator[object]) -> None:
        """Have long work done a step at a time, with everything else in between."""


class AuthorizationFailed(KafkaError):
    """Told for a topic that is there as for one that is not (kafka-protocol.md item 91)."""

    default_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED


class ClusterAuthorizationFailed(KafkaError):
    default_code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED


class GroupAuthorizationFailed(KafkaError):
    default_code = ErrorCode.GROUP_AUTHORIZATION_FAILED


def allows_topic(
    broker: AdminBroker, ctx: RequestContext, operation: AclOperation, topic: str
) -> bool:
    return broker.authorizer.allows(
        ctx.principal, operation, ResourceType.TOPIC, topic, ctx.client_host
    )


def allows_group_configs(
    broker: AdminBroker, ctx: RequestContext, operation: AclOperation, group_id: str
) -> bool:
    return broker.authorizer.allows(
        ctx.principal, operation, ResourceType.GROUP, group_id, ctx.client_host
    )


def allows_cluster(broker: AdminBroker, ctx: RequestContext, operation: AclOperation) -> bool:
    """Brokers may do to the cluster whatever they ask for; they are no clients."""
    if ctx.is_internal:
        return True
    return broker.authorizer.allows_cluster(ctx.principal, operation, ctx.client_host)


def require_cluster(broker: AdminBroker, ctx: RequestContext, operation: AclOperation) -> None:
    """Raise ClusterAuthorizationFailed unless the asker may do this to the cluster."""
    if not allows_cluster(broker, ctx, operation):
        raise ClusterAuthorizationFailed


def refused_topics(
    broker: AdminBroker, ctx: RequestContext, operation: AclOperation, topics: Iterable[str]
) -> Mapping[str, KafkaError]:
    """Return what to answer for each of `topics` to which the asker may not do `operation`."""
    return {
        topic: AuthorizationFailed()
        for topic in topics
        if not allows_topic(broker, ctx, operation, topic)
    }


def refused_resources(
    broker: AdminBroker, ctx: RequestContext, resources: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], KafkaError]:
    """Return what to answer for each (type, name) whose configs the asker may not alter."""
    may_alter_brokers = allows_cluster(broker, ctx, AclOperation.ALTER_CONFIGS)
    refused: dict[tuple[int, str], KafkaError] = {}
    for kind, name in resources:
        if kind == TOPIC_RESOURCE:
            if not allows_topic(broker, ctx, AclOperation.ALTER_CONFIGS, name):
                refused[kind, name] = AuthorizationFailed()
        elif kind == GROUP_RESOURCE:
            if not allows_group_configs(broker, ctx, AclOperation.ALTER_CONFIGS, name):
                refused[kind, name] = GroupAuthorizationFailed()
        elif not may_alter_brokers:
            refused[kind, name] = ClusterAuthorizationFailed()
    return refused


def cluster_operations(broker: AdminBroker, ctx: RequestContext) -> int:
    """Return the bitfield of what the asker may do to the cluster (item 92)."""
    if not allows_cluster(broker, ctx, AclOperation.DESCRIBE):
        return OPERATIONS_HIDDEN
    return broker.authorizer.authorized_operations(
        ctx.principal, ResourceType.CLUSTER, "kafka-cluster", ctx.client_host
    )


def config_scope(broker: AdminBroker, image: MetadataImage) -> ConfigScope:
    """Return the eyes with which this broker reads configs in `image`."""
    registration = image.brokers.get(broker.config.broker_id)
    return ConfigScope(image, broker.config.broker_id, static_configs(broker.config, registration))


def broker_number(scope: ConfigScope, name: str) -> int:
    """Return the value in force of an integer broker key."""
    return int(scope.broker_candidates(BROKER_CONFIGS[name])[0].value or 0)


def broker_text(scope: ConfigScope, name: str) -> str:
    """Return the value in force of a broker key, as text."""
    return scope.broker_candidates(BROKER_CONFIGS[name])[0].value or ""


def broker_flag(scope: ConfigScope, name: str) -> bool:
    """Return the value in force of a boolean broker key."""
    key = BROKER_CONFIGS[name]
    return key.parse(scope.broker_candidates(key)[0].value or "false") is True
