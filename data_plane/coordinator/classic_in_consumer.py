"""Members of a KIP-848 group that speak the classic protocol still: a rolling upgrade's others.

To such a member its epoch is the generation. Nobody gathers: its JoinGroup is answered at once, as
to a follower, and brings it one step towards its target, as a heartbeat brings the others;
SyncGroup hands out what it owns then. Where more is to be done, Heartbeat tells it to join again:
when the group's epoch has grown, when it owes partitions, or when what it waits for is free.

Every function raises KafkaError with the code that the member's request is answered with.
Source: KIP-848 (Supporting Online Consumer Group Upgrade).
"""

from collections.abc import Iterable

from data_plane.coordinator.classic_join import JoinAttempt
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_draft import Draft
from data_plane.coordinator.consumer_group import JOINING, ConsumerGroup
from data_plane.coordinator.consumer_group_records import (
    Classic,
    Current,
    MemberState,
    MemberSubscription,
    by_topic,
)
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.consumer_membership import known_member, progress
from data_plane.coordinator.consumer_protocol import (
    CONSUMER,
    Subscription,
    read_subscription,
    write_assignment,
)
from data_plane.coordinator.member_deadlines import Awaited
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopic,
)
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from data_plane.protocol.schema import DecodeError


def join(group: ConsumerGroup, attempt: JoinAttempt, image: MetadataImage, now_ms: int) -> Draft:
    """Let a member in, or bring it one step on; `joined` makes the answer of it."""
    request = attempt.request
    member_id = request.member_id or attempt.new_member_id
    if request.member_id and request.group_instance_id is not None:
        known_member(group, request.member_id, request.group_instance_id)
    if not supports(group, request.protocol_type, [row.name for row in request.protocols]):
        raise KafkaError(code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    classic = Classic(request.session_timeout_ms, attempt.protocols())
    try:
        wants = read_subscription(classic.protocols[0][1])
    except DecodeError as error:
        raise KafkaError(str(error), code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL) from error
    if not request.member_id and attempt.needs_known_id:
        raise KafkaError(code=ErrorCode.MEMBER_ID_REQUIRED)
    heartbeat = Heartbeat(
        request=_as_heartbeat(attempt, member_id, wants, image),
        member_id=member_id,
        client_id=attempt.client_id,
        client_host=attempt.client_host,
        image=image,
        may_describe=lambda _: True,  # It brings no expression.
        now_ms=now_ms,
        classic=classic,
    )
    draft = progress(group, heartbeat)
    group.deadlines.drop(Awaited.JOIN, member_id)
    group.deadlines.set(Awaited.SYNC, member_id, now_ms + draft.member.rebalance_timeout_ms)
    return draft


def joined(draft: Draft) -> JoinGroupResponse:
    """The member is told that it follows, so that it waits for its assignment and makes none."""
    return JoinGroupResponse(
        generation_id=draft.after.epoch,
        protocol_type=CONSUMER,
        protocol_name=_protocols_of(draft.member)[0][0],
        member_id=draft.member.member_id,
    )


def _as_heartbeat(
    attempt: JoinAttempt, member_id: str, wants: Subscription, image: MetadataImage
) -> ConsumerGroupHeartbeatRequest:
    owned = [
        ConsumerGroupHeartbeatRequestTopic(topic.topic_id, row.partitions)
        for row in wants.owned_partitions
        if (topic := image.topic(row.topic)) is not None
    ]
    return ConsumerGroupHeartbeatRequest(
        group_id=attempt.request.group_id,
        member_id=member_id,
        member_epoch=JOINING,
        instance_id=attempt.request.group_instance_id,
        rack_id=wants.rack_id,
        rebalance_timeout_ms=attempt.rebalance_timeout_ms(),
        subscribed_topic_names=wants.topics,
        subscribed_topic_regex="",  # Only the other protocol has expressions.
        topic_partitions=owned,
    )


def supports(group: ConsumerGroup, protocol_type: str, names: Iterable[str]) -> bool:
    """Does every classic member speak one of these protocols?"""
    spoken = [
        {name for name, _ in member.classic.protocols}
        for member in group.members.values()
        if member.classic is not None
    ]
    return protocol_type == CONSUMER and bool(set(names).intersection(*spoken))


def sync(
    group: ConsumerGroup, request: SyncGroupRequest, image: MetadataImage, now_ms: int
) -> SyncGroupResponse:
    """The member's part, as it is owned by now."""
    member, current = _checked(
        group, request.member_id, request.group_instance_id, request.generation_id
    )
    name, metadata = _protocols_of(member)[0]
    if request.protocol_type not in (None, CONSUMER) or request.protocol_name not in (None, name):
        raise KafkaError(code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.epoch > current.epoch and current.state is not MemberState.UNREVOKED:
        _await_join(group, member, now_ms)
        raise KafkaError(code=ErrorCode.REBALANCE_IN_PROGRESS)
    group.deadlines.drop(Awaited.SYNC, member.member_id)
    group.touch(member, current, now_ms)
    return SyncGroupResponse(
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        assignment=assignment_of(current, metadata, image),
    )


def assignment_of(current: Current, metadata: bytes, image: MetadataImage) -> bytes:
    """What a member owns, in its own protocol; topics that are gone are left out."""
    names = image.topic_names
    owned = by_topic(current.assigned)
    return write_assignment({names[at]: owned[at] for at in owned if at in names}, metadata)


def heartbeat(group: ConsumerGroup, request: HeartbeatRequest, now_ms: int) -> ErrorCode:
    """Keep a member's session alive; REBALANCE_IN_PROGRESS has it join again."""
    member, current = _checked(
        group, request.member_id, request.group_instance_id, request.generation_id
    )
    group.touch(member, current, now_ms)
    if (
        current.epoch == group.epoch
        and current.state is not MemberState.UNREVOKED
        and (current.state is MemberState.STABLE or _waits_for_others(group, current))
    ):
        return ErrorCode.NONE
    _await_join(group, member, now_ms)
    return ErrorCode.REBALANCE_IN_PROGRESS


def _waits_for_others(group: ConsumerGroup, current: Current) -> bool:
    missing = group.target_of(current.member_id) - current.assigned
    return any(at in group.owners for at in missing)


def _await_join(group: ConsumerGroup, member: MemberSubscription, now_ms: int) -> None:
    due_ms = now_ms + member.rebalance_timeout_ms
    group.deadlines.set_once(Awaited.JOIN, member.member_id, due_ms)


def leaving_member(group: ConsumerGroup, who: Leaving) -> str:
    """The id of a member that may leave by LeaveGroup."""
    member_id = who.member_id
    if not member_id and who.instance_id is not None:  # An operator removes it by name.
        static = group.static_member(who.instance_id)
        member_id = "" if static is None else static.member_id
    member = known_member(group, member_id, who.instance_id)
    _protocols_of(member)
    return member_id


def _checked(
    group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int
) -> tuple[MemberSubscription, Current]:
    member = known_member(group, member_id, instance_id)
    _protocols_of(member)
    current = group.current_of(member_id)
    if generation != current.epoch:
        raise KafkaError(code=ErrorCode.ILLEGAL_GENERATION)
    return member, current


def _protocols_of(member: MemberSubscription) -> tuple[tuple[str, bytes], ...]:
    if member.classic is None:
        raise KafkaError(
            "The member does not speak the classic protocol.", code=ErrorCode.UNKNOWN_MEMBER_ID
        )
    return member.classic.protocols
