"""ConsumerGroupDescribe (key 69) v0-1. v1: member type (KIP-1099)."""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GROUP_VERSION, GroupBroker, allows_topic
from data_plane.broker.group_descriptions import describe_groups, group_operations
from data_plane.coordinator.consumer_draft import assignor_of
from data_plane.coordinator.consumer_group import ConsumerGroup, ConsumerGroupState
from data_plane.coordinator.consumer_group_records import (
    Assignment,
    MemberSubscription,
    by_topic,
)
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_describe import (
    OPERATIONS_UNKNOWN,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    ConsumerGroupDescribeResponseAssignment,
    ConsumerGroupDescribeResponseGroup,
    ConsumerGroupDescribeResponseMember,
    ConsumerGroupDescribeResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 69, range(2)

CLASSIC_TYPE, CONSUMER_TYPE = 0, 1  # by which protocol a member speaks

Row = ConsumerGroupDescribeResponseGroup


def handle(
    broker: GroupBroker, ctx: RequestContext, request: ConsumerGroupDescribeRequest
) -> ConsumerGroupDescribeResponse | Parked:
    if broker.image.features.get(GROUP_VERSION, 0) < 1:
        code = ErrorCode.UNSUPPORTED_VERSION
        return ConsumerGroupDescribeResponse(
            groups=[_failed(group_id, code, code.text) for group_id in request.group_ids]
        )

    def row_of(shard: GroupsShard, group_id: str) -> Row:
        group = shard.consumer_groups.get(group_id)
        if not group_id:
            return _failed(group_id, ErrorCode.INVALID_GROUP_ID, "The group id is empty.")
        if group is None:
            text = f"Group {group_id} is not a consumer group."
            return _failed(group_id, ErrorCode.GROUP_ID_NOT_FOUND, text)
        names = _topics_of(group, broker)
        if not all(allows_topic(broker, ctx, AclOperation.DESCRIBE, name) for name in names):
            text = "The group consumes topics that the caller may not know of."
            return _failed(group_id, ErrorCode.TOPIC_AUTHORIZATION_FAILED, text)
        operations = OPERATIONS_UNKNOWN
        if request.include_authorized_operations:
            operations = group_operations(broker, ctx, group_id)
        return _row(group, operations, broker)

    return describe_groups(
        broker,
        ctx,
        request.group_ids,
        row_of,
        _failed,
        lambda rows: ConsumerGroupDescribeResponse(groups=rows),
    )


def _topics_of(group: ConsumerGroup, broker: GroupBroker) -> set[str]:
    """Every topic that the answer would name: wanted, owned, or to be owned."""
    names = broker.image.topic_names
    owned = [partitions for one in group.current.values() for partitions in one.assigned]
    wanted = [partitions for target in group.targets.values() for partitions in target]
    told = {names[topic_id] for topic_id, _ in (*owned, *wanted) if topic_id in names}
    return told | group.subscribed_names()


def _row(group: ConsumerGroup, operations: int, broker: GroupBroker) -> Row:
    members = group.members.values()
    return Row(
        group_id=group.group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=assignor_of(members, group.config.consumer_assignors),
        members=[_member(group, member, broker) for member in members],
        authorized_operations=operations,
    )


def _member(
    group: ConsumerGroup, member: MemberSubscription, broker: GroupBroker
) -> ConsumerGroupDescribeResponseMember:
    current = group.current_of(member.member_id)
    return ConsumerGroupDescribeResponseMember(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=current.epoch,
        client_id=member.client_id,
        client_host=f"/{member.client_host}",  # as Kafka shows hosts
        subscribed_topic_names=member.topic_names,
        subscribed_topic_regex=member.topic_regex,
        assignment=_assignment(current.assigned, broker),
        target_assignment=_assignment(group.target_of(member.member_id), broker),
        member_type=CONSUMER_TYPE if member.classic is None else CLASSIC_TYPE,
    )


def _assignment(
    partitions: Assignment, broker: GroupBroker
) -> ConsumerGroupDescribeResponseAssignment:
    """By name too; a topic that was deleted meanwhile is left out."""
    names = broker.image.topic_names
    return ConsumerGroupDescribeResponseAssignment(
        [
            ConsumerGroupDescribeResponseTopic(topic_id, names[topic_id], found)
            for topic_id, found in by_topic(partitions).items()
            if topic_id in names
        ]
    )


def _failed(group_id: str, code: ErrorCode, message: str) -> Row:
    return Row(
        error_code=code,
        error_message=message,
        group_id=group_id,
        group_state=ConsumerGroupState.DEAD,
    )
