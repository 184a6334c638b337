"""Members of a KIP-848 group: who may come in, who is fenced, and what a heartbeat changes."""

from dataclasses import replace

from data_plane.coordinator.consumer_draft import Draft
from data_plane.coordinator.consumer_group import AWAY, JOINING, ConsumerGroup
from data_plane.coordinator.consumer_group_records import (
    Assignment,
    ConsumerGroupRecord,
    Current,
    MemberState,
    MemberSubscription,
    Target,
    by_topic,
)
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseAssignment,
    ConsumerGroupHeartbeatResponseTopic,
)

Response = ConsumerGroupHeartbeatResponse


def decide_heartbeat(group: ConsumerGroup, heartbeat: Heartbeat) -> Decision[Response]:
    """Let a member in, or bring it one step on. Raises KafkaError."""
    draft = progress(group, heartbeat)
    request, member, after = heartbeat.request, draft.member, draft.after
    tells = (
        request.member_epoch == JOINING
        or heartbeat.is_full
        or after.assigned != draft.before.assigned
    )
    response = Response(
        member_id=member.member_id,
        member_epoch=after.epoch,
        heartbeat_interval_ms=group.config.consumer_heartbeat_interval_ms,
        assignment=told(after.assigned) if tells else None,
    )
    return Decision(response, draft.journal)


def progress(group: ConsumerGroup, heartbeat: Heartbeat) -> Draft:
    """What a heartbeat, or what stands for one, makes of the group. Raises KafkaError."""
    journal: list[ConsumerGroupRecord] = []
    before = _admitted(group, heartbeat, journal)
    member = _subscribed(group, heartbeat, before)
    draft = Draft(group, heartbeat, member, journal)
    if before is not None and member == before and _has_seen(group, member, heartbeat.image):
        is_changed = False
    else:
        is_changed = draft.follow_topics(is_new=before is None or not member.wants_as(before))
    if is_changed or group.epoch > group.target_epoch:
        draft.assign()
    draft.advance()
    return draft


def _has_seen(group: ConsumerGroup, member: MemberSubscription, image: MetadataImage) -> bool:
    """The topics of the group and those of the member's expression are as the image has them."""
    regex = member.topic_regex
    return group.seen is image and (regex is None or group.resolved_in.get(regex) is image)


def decide_absence(group: ConsumerGroup, heartbeat: Heartbeat) -> Decision[Response]:
    """A static member leaves for a while. Raises KafkaError."""
    member = known_member(group, heartbeat.member_id, heartbeat.request.instance_id)
    current = group.current_of(member.member_id)
    away = replace(
        current,
        epoch=AWAY,
        previous_epoch=current.epoch,
        since=current.since_at(AWAY, current.assigned | current.revoking),
    )
    return Decision(Response(member_id=member.member_id, member_epoch=AWAY), [away])


def known_member(
    group: ConsumerGroup, member_id: str, instance_id: str | None
) -> MemberSubscription:
    """The member that speaks. Raises UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID."""
    if instance_id is None:
        member = group.members.get(member_id)
    else:
        member = group.static_member(instance_id)
        if member is not None and member.member_id != member_id:
            raise KafkaError(
                "Another member has this instance id.", code=ErrorCode.FENCED_INSTANCE_ID
            )
    if member is None:
        raise KafkaError("The member is not in the group.", code=ErrorCode.UNKNOWN_MEMBER_ID)
    return member


def _admitted(
    group: ConsumerGroup, heartbeat: Heartbeat, journal: list[ConsumerGroupRecord]
) -> MemberSubscription | None:
    """Who speaks, as it was so far; None if it is new. Raises KafkaError where it is fenced."""
    request = heartbeat.request
    if request.member_epoch != JOINING:
        member = known_member(group, heartbeat.member_id, request.instance_id)
        _check_epoch(group.current_of(member.member_id), heartbeat)
        return member
    former = group.static_member(request.instance_id)
    if former is not None and former.member_id != heartbeat.member_id:
        is_classic = heartbeat.classic is not None or former.classic is not None
        # A classic member says no word when it goes: whoever takes its place may have it.
        if not is_classic and group.current_of(former.member_id).epoch != AWAY:
            raise KafkaError(
                "The instance id is still in use.", code=ErrorCode.UNRELEASED_INSTANCE_ID
            )
        return _take_over(group, former, heartbeat.member_id, journal)
    known = group.members.get(heartbeat.member_id)
    if known is None and len(group.members) >= group.config.consumer_group_size_max:
        raise KafkaError("The group is full.", code=ErrorCode.GROUP_MAX_SIZE_REACHED)
    return known


def _take_over(
    group: ConsumerGroup,
    former: MemberSubscription,
    member_id: str,
    journal: list[ConsumerGroupRecord],
) -> MemberSubscription:
    """A static member is back under a new id: its place, target and partitions are its own."""
    journal += group.member_removal(former.member_id)
    current = group.current_of(former.member_id)
    target = group.target_of(former.member_id)
    back = replace(former, member_id=member_id)
    # Whatever it was to give up, the process that owned it is gone.
    journal += (
        back,
        Target(group.group_id, member_id, target),
        Current(group.group_id, member_id, 0, 0, MemberState.UNRELEASED, current.assigned & target),
    )
    return back


def _check_epoch(current: Current, heartbeat: Heartbeat) -> None:
    """Accept the epoch before the current one too, from a member that lost the last answer."""
    epoch, owned = heartbeat.request.member_epoch, heartbeat.owned
    is_retry = (
        epoch == current.previous_epoch
        and epoch < current.epoch
        and owned is not None
        and owned <= current.assigned
    )
    if epoch != current.epoch and not is_retry:
        raise KafkaError(
            f"The member has epoch {current.epoch}, not {epoch}.",
            code=ErrorCode.FENCED_MEMBER_EPOCH,
        )


def _subscribed(
    group: ConsumerGroup, heartbeat: Heartbeat, before: MemberSubscription | None
) -> MemberSubscription:
    """The member as it is from now on; null means unchanged."""
    request = heartbeat.request
    member = before or MemberSubscription(
        group.group_id, heartbeat.member_id, request.instance_id, None, "", "", (), None, -1, None
    )
    if request.subscribed_topic_names is not None:
        names = tuple(sorted(set(request.subscribed_topic_names)))
        member = replace(member, topic_names=names)
    if request.subscribed_topic_regex is not None:
        member = replace(member, topic_regex=request.subscribed_topic_regex or None)
    if request.rebalance_timeout_ms >= 0:
        member = replace(member, rebalance_timeout_ms=request.rebalance_timeout_ms)
    return replace(
        member,
        rack_id=request.rack_id or member.rack_id,
        assignor=request.server_assignor or member.assignor,
        client_id=heartbeat.client_id,
        client_host=heartbeat.client_host,
        classic=heartbeat.classic,
    )


def told(partitions: Assignment) -> ConsumerGroupHeartbeatResponseAssignment:
    return ConsumerGroupHeartbeatResponseAssignment(
        [
            ConsumerGroupHeartbeatResponseTopic(topic_id, found)
            for topic_id, found in by_topic(partitions).items()
        ]
    )
