"""DeleteGroups (key 42) v0-2. v2: flexible. Only groups without members; offsets go with them."""

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import GroupBroker, allows_group, decide_in_shard
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.delete_groups import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DeleteGroupsResponseResult,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 42, range(3)


def handle(
    broker: GroupBroker, ctx: RequestContext, request: DeleteGroupsRequest
) -> DeleteGroupsResponse | Parked:
    names = list(dict.fromkeys(request.groups_names))  # Each is answered once, as in Kafka.
    parts = [_delete(broker, ctx, group_id) for group_id in names]
    return gather(
        parts,
        lambda codes: DeleteGroupsResponse(
            results=[
                DeleteGroupsResponseResult(
                    group_id, code.code if isinstance(code, KafkaError) else code
                )
                for group_id, code in zip(names, codes, strict=True)
            ]
        ),
    )


def _delete(
    broker: GroupBroker, ctx: RequestContext, group_id: str
) -> ErrorCode | KafkaError | Parked:
    if not allows_group(broker, ctx, AclOperation.DELETE, group_id):
        return ErrorCode.GROUP_AUTHORIZATION_FAILED
    return decide_in_shard(broker, group_id, lambda shard: shard.decide_delete_group(group_id))
