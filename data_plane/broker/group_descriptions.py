"""What DescribeGroups and ConsumerGroupDescribe share: a row for each group, from its own shard."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import GroupBroker, allows_group, decide_in_shard
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

Row = TypeVar("Row")
Whole = TypeVar("Whole")


def describe_groups(
    broker: GroupBroker,
    ctx: RequestContext,
    group_ids: Sequence[str],
    row_of: Callable[[GroupsShard, str], Row],
    failed: Callable[[str, ErrorCode, str], Row],
    combine: Callable[[Sequence[Row]], Whole],
) -> Whole | Parked:
    """Combine one row for each group, in order; who may not DESCRIBE a group learns nothing of it.

    row_of: of a group in its shard. failed: of a group that this broker cannot tell of.
    """

    def described(group_id: str) -> Row | KafkaError | Parked:
        if not allows_group(broker, ctx, AclOperation.DESCRIBE, group_id):
            return KafkaError(code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
        return decide_in_shard(broker, group_id, lambda shard: Decision(row_of(shard, group_id)))

    return gather(
        [described(group_id) for group_id in group_ids],
        lambda rows: combine(
            [
                failed(group_id, row.code, row.message) if isinstance(row, KafkaError) else row
                for group_id, row in zip(group_ids, rows, strict=True)
            ]
        ),
    )


def group_operations(broker: GroupBroker, ctx: RequestContext, group_id: str) -> int:
    """The bitfield of what the asker may do to a group (KIP-430)."""
    return broker.authorizer.authorized_operations(
        ctx.principal, ResourceType.GROUP, group_id, ctx.client_host
    )
