"""What the handlers of group APIs share: who may do what, and one decision of one shard."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from data_plane.broker.context import RequestContext
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import KafkaError
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclAuthorizer, AclOperation, ResourceType

R = TypeVar("R")

GROUP_VERSION = "group.version"  # the feature that lets KIP-848 groups be


class CoordinatorNode(NamedTuple):
    """Where a client finds a coordinator, as the listener it came by advertises it."""

    node_id: int
    host: str
    port: int


class GroupBroker(Protocol):
    """The part of the broker that group handlers use, so that tests may stand in for it."""

    @property
    def authorizer(self) -> AclAuthorizer: ...

    @property
    def image(self) -> MetadataImage: ...

    def group_coordinator(self, group_id: str, listener: str) -> CoordinatorNode:
        """Who coordinates the group; has the offsets topic created if there is none.

        Raises CoordinatorNotAvailable while the topic or its leader is not there yet.
        """

    def transaction_coordinator(self, transactional_id: str, listener: str) -> CoordinatorNode:
        """Who coordinates the transactional id; else as `group_coordinator`."""

    def internal_topics_created(self) -> Parked | None:
        """Done once the internal topics that are being created are there; None if none is."""

    def group_shard(self, group_id: str) -> GroupsShard:
        """The shard that holds the group, loaded.

        Raises NotCoordinator, CoordinatorNotAvailable or CoordinatorLoadInProgress.
        """

    def group_shards(self) -> Sequence[GroupsShard]:
        """Every shard led here, none if there is no offsets topic; raises as `group_shard`."""

    def commit(self, shard: GroupsShard, decision: Decision[R]) -> R | Parked:
        """Append and replay; answers once committed (coordinator/shard.py)."""


def allows_group(
    broker: GroupBroker, ctx: RequestContext, operation: AclOperation, group_id: str
) -> bool:
    return broker.authorizer.allows(
        ctx.principal, operation, ResourceType.GROUP, group_id, ctx.client_host
    )


def allows_topic(
    broker: GroupBroker, ctx: RequestContext, operation: AclOperation, topic: str
) -> bool:
    return broker.authorizer.allows(
        ctx.principal, operation, ResourceType.TOPIC, topic, ctx.client_host
    )


def decide_in_shard(
    broker: GroupBroker, group_id: str, decide: Callable[[GroupsShard], Decision[R]]
) -> R | KafkaError | Parked:
    """Commit one decision in the group's shard; a KafkaError where this broker cannot.

    For batched requests, in which one group's trouble is that group's row alone.
    """
    try:
        shard = broker.group_shard(group_id)
    except KafkaError as error:
        return error
    return broker.commit(shard, decide(shard))
