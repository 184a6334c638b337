"""ListGroups (key 16) v0-5. v3: flexible. v4: states (KIP-518). v5: types (KIP-848).

Groups that the caller may not describe are left out, not refused.
"""

from collections.abc import Sequence

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.consumer_group import ConsumerGroup
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.list_groups import (
    ListGroupsRequest,
    ListGroupsResponse,
    ListGroupsResponseGroup,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 16, range(6)

CLASSIC, CONSUMER = "classic", "consumer"  # types of group
Rows = list[ListGroupsResponseGroup]


def handle(
    broker: GroupBroker, ctx: RequestContext, request: ListGroupsRequest
) -> ListGroupsResponse | Parked:
    sees_all = broker.authorizer.allows_cluster(
        ctx.principal, AclOperation.DESCRIBE, ctx.client_host
    )
    parts = []
    for shard in broker.group_shards():
        rows = [
            row
            for row in (
                *map(_row, shard.groups.values()),
                *map(_consumer_row, shard.consumer_groups),
            )
            if _matches(row, request)
            and (sees_all or allows_group(broker, ctx, AclOperation.DESCRIBE, row.group_id))
        ]
        parts.append(broker.commit(shard, Decision(rows)))
    return gather(parts, _response)


def _matches(row: ListGroupsResponseGroup, request: ListGroupsRequest) -> bool:
    """Filters compare without case; an empty one lets all through."""
    states = {state.lower() for state in request.states_filter}
    types = {name.lower() for name in request.types_filter}
    return (not states or row.group_state.lower() in states) and (
        not types or row.group_type in types
    )


def _row(group: ClassicGroup) -> ListGroupsResponseGroup:
    return ListGroupsResponseGroup(
        group_id=group.group_id,
        protocol_type=group.protocol_type or "",
        group_state=group.state,
        group_type=CLASSIC,
    )


def _consumer_row(group: ConsumerGroup) -> ListGroupsResponseGroup:
    return ListGroupsResponseGroup(
        group_id=group.group_id,
        protocol_type=CONSUMER,
        group_state=group.state,
        group_type=CONSUMER,
    )


def _response(parts: Sequence[Rows | KafkaError]) -> ListGroupsResponse:
    groups: Rows = []
    for part in parts:
        if isinstance(part, KafkaError):
            return ListGroupsResponse(error_code=part.code)
        groups += part
    return ListGroupsResponse(groups=groups)
