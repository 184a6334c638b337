"""ListGroups (key 16) v0-5. v3: flexible. v4: states (KIP-518). v5: types (KIP-848).

Groups that the caller may not describe are left out, not refused.
"""

from collections.abc import Sequence

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.coordinator.classic_group import ClassicGroup
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

CLASSIC = "classic"  # the only type of group there is yet
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
            _row(group)
            for group in shard.groups.values()
            if _matches(group, request)
            and (sees_all or allows_group(broker, ctx, AclOperation.DESCRIBE, group.group_id))
        ]
        parts.append(broker.commit(shard, Decision(rows)))
    return gather(parts, _response)


def _matches(group: ClassicGroup, request: ListGroupsRequest) -> bool:
    """Filters compare without case; an empty one lets all through."""
    states = {state.lower() for state in request.states_filter}
    types = {name.lower() for name in request.types_filter}
    return (not states or group.state.lower() in states) and (not types or CLASSIC in types)


def _row(group: ClassicGroup) -> ListGroupsResponseGroup:
    return ListGroupsResponseGroup(
        group_id=group.group_id,
        protocol_type=group.protocol_type or "",
        group_state=group.state,
        group_type=CLASSIC,
    )


def _response(parts: Sequence[Rows | KafkaError]) -> ListGroupsResponse:
    groups: Rows = []
    for part in parts:
        if isinstance(part, KafkaError):
            return ListGroupsResponse(error_code=part.code)
        groups += part
    return ListGroupsResponse(groups=groups)
