"""ConsumerGroupHeartbeat: the one request by which members of a KIP-848 group do everything."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from data_plane.coordinator.assignors import ASSIGNORS, DEFAULT_ASSIGNOR, Subscriber
from data_plane.coordinator.consumer_group import (
    AWAY,
    JOINING,
    LEAVING,
    ConsumerGroup,
    reconciled,
)
from data_plane.coordinator.consumer_group_records import (
    Assignment,
    ConsumerGroupRecord,
    Current,
    GroupEpoch,
    GroupTopics,
    Kind,
    MemberState,
    MemberSubscription,
    RegexTopics,
    Removed,
    SubscribedTopic,
    Target,
    TargetEpoch,
    by_topic,
)
from data_plane.coordinator.topic_regex import InvalidRegex, topic_regex
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseAssignment,
    ConsumerGroupHeartbeatResponseTopic,
)

Response = ConsumerGroupHeartbeatResponse
REGEX_CHARS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat with what surrounds it."""

    request: ConsumerGroupHeartbeatRequest
    member_id: str
    client_id: str
    client_host: str
    image: MetadataImage
    may_describe: Callable[[str], bool]  # which topics an expression may find for this caller
    now_ms: int

    @property
    def owned(self) -> Assignment | None:
        rows = self.request.topic_partitions
        if rows is None:
            return None
        return frozenset((row.topic_id, partition) for row in rows for partition in row.partitions)

    @property
    def is_full(self) -> bool:
        """It tells everything, so it is told everything."""
        request = self.request
        subscribes = (request.subscribed_topic_names, request.subscribed_topic_regex)
        return (
            request.rebalance_timeout_ms >= 0
            and any(one is not None for one in subscribes)
            and request.topic_partitions is not None
        )


def check(request: ConsumerGroupHeartbeatRequest) -> None:
    """Refuse what no member may send, whatever the group. Raises KafkaError."""
    joins = request.member_epoch == JOINING
    has_names = request.subscribed_topic_names is not None
    wrong = {
        "GroupId can't be empty.": not request.group_id,
        "InstanceId can't be empty.": request.instance_id == "",
        "RackId can't be empty.": request.rack_id == "",
        "MemberEpoch is invalid.": request.member_epoch < AWAY,
        "InstanceId must be set.": request.member_epoch == AWAY and request.instance_id is None,
        "RebalanceTimeoutMs must be provided in first request.": joins
        and request.rebalance_timeout_ms < 0,
        "TopicPartitions must be empty when (re-)joining.": joins
        and bool(request.topic_partitions is None or request.topic_partitions),
        "SubscribedTopicNames or SubscribedTopicRegex must be set in first request.": joins
        and not (has_names or request.subscribed_topic_regex),
    }
    for text, is_wrong in wrong.items():
        if is_wrong:
            raise KafkaError(text, code=ErrorCode.INVALID_REQUEST)
    if request.server_assignor is not None and request.server_assignor not in ASSIGNORS:
        known = ", ".join(ASSIGNORS)
        raise KafkaError(
            f"ServerAssignor {request.server_assignor} is not supported. Supported: {known}.",
            code=ErrorCode.UNSUPPORTED_ASSIGNOR,
        )
    if request.subscribed_topic_regex:
        _check_regex(request.subscribed_topic_regex)


def _check_regex(pattern: str) -> None:
    try:
        if len(pattern) > REGEX_CHARS_MAX:
            raise InvalidRegex("the expression is too long")
        topic_regex(pattern)
    except InvalidRegex as error:
        raise KafkaError(
            f"SubscribedTopicRegex is not valid: {error}", code=ErrorCode.INVALID_REGULAR_EXPRESSION
        ) from error


def decide_heartbeat(group: ConsumerGroup, heartbeat: Heartbeat) -> Decision[Response]:
    """Let a member in or out, or bring it one step on. Raises KafkaError."""
    if heartbeat.request.member_epoch in (LEAVING, AWAY):
        return _leave(group, heartbeat)
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
    return draft.answer()


def _has_seen(group: ConsumerGroup, member: MemberSubscription, image: MetadataImage) -> bool:
    """The topics of the group and those of the member's expression are as the image has them."""
    regex = member.topic_regex
    return group.seen is image and (regex is None or group.resolved_in.get(regex) is image)


def _leave(group: ConsumerGroup, heartbeat: Heartbeat) -> Decision[Response]:
    request = heartbeat.request
    member = _known(group, heartbeat)
    response = Response(member_id=member.member_id, member_epoch=request.member_epoch)
    if request.member_epoch == LEAVING:
        return Decision(response, group.without([member.member_id]))
    current = group.current_of(member.member_id)
    away = replace(current, epoch=AWAY, previous_epoch=current.epoch)
    return Decision(response, [away])


def _known(group: ConsumerGroup, heartbeat: Heartbeat) -> MemberSubscription:
    """The member that speaks. Raises UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID."""
    instance_id = heartbeat.request.instance_id
    if instance_id is None:
        member = group.members.get(heartbeat.member_id)
    else:
        member = group.static_member(instance_id)
        if member is not None and member.member_id != heartbeat.member_id:
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
        member = _known(group, heartbeat)
        _check_epoch(group.current_of(member.member_id), heartbeat)
        return member
    former = group.static_member(request.instance_id)
    if former is not None and former.member_id != heartbeat.member_id:
        if group.current_of(former.member_id).epoch != AWAY:
            raise KafkaError(
                "The instance id is still in use.", code=ErrorCode.UNRELEASED_INSTANCE_ID
            )
        return _take_over(group, former, heartbeat.member_id, journal)
    known = group.members.get(heartbeat.member_id)
    if known is None and len(group.members) >= group.config.group_size_max:
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
    )


class Draft:
    """The group as it will be once the records of this heartbeat are replayed."""

    def __init__(
        self,
        group: ConsumerGroup,
        heartbeat: Heartbeat,
        member: MemberSubscription,
        journal: list[ConsumerGroupRecord],
    ) -> None:
        self._group = group
        self._heartbeat = heartbeat
        self._member = member
        self._journal = journal
        taken_over = {one.name for one in journal if isinstance(one, Removed)}
        self._members = {
            member_id: one
            for member_id, one in group.members.items()
            if member_id not in taken_over
        }
        self._members[member.member_id] = member
        self._targets = dict(group.targets)
        self._current = group.current_of(member.member_id)
        for record in journal:
            if isinstance(record, Target):
                self._targets[record.member_id] = record.partitions
            elif isinstance(record, Current):
                self._current = record
        self._topics = group.topics
        self._regexes = dict(group.regexes)
        self._epoch, self._target_epoch = group.epoch, group.target_epoch
        if member != group.members.get(member.member_id):
            journal.append(member)

    def follow_topics(self, *, is_new: bool) -> bool:
        """Look at the topics anew; True if the group's epoch has grown."""
        self._resolve()
        image = self._heartbeat.image
        found = [
            SubscribedTopic(topic.topic_id, name, len(topic.partitions))
            for name in sorted(set().union(*map(self._wanted, self._members.values())))
            if (topic := image.topic(name)) is not None
        ]
        topics = {topic.name: topic for topic in found}
        self._group.seen = image
        if topics != self._topics:
            self._topics, is_new = topics, True
            self._journal.append(GroupTopics(self._group.group_id, tuple(found)))
        if is_new:
            self._epoch += 1
            self._journal.append(GroupEpoch(self._group.group_id, self._epoch))
        return is_new

    def assign(self) -> None:
        """Make the targets of the group's epoch."""
        group_id = self._group.group_id
        ids = {topic.name: topic.topic_id for topic in self._topics.values()}
        subscribers = {
            member_id: Subscriber(
                frozenset(ids[name] for name in self._wanted(member) if name in ids),
                self._targets.get(member_id, frozenset()),
                member.instance_id,
            )
            for member_id, member in self._members.items()
        }
        counts = {topic.topic_id: topic.partition_count for topic in self._topics.values()}
        made = ASSIGNORS[assignor_of(self._members.values())](subscribers, counts)
        self._journal += [
            Target(group_id, member_id, partitions)
            for member_id, partitions in made.items()
            if member_id not in self._targets or self._targets[member_id] != partitions
        ]
        self._targets, self._target_epoch = made, self._epoch
        self._journal.append(TargetEpoch(group_id, self._epoch))

    def answer(self) -> Decision[Response]:
        """The member's next step, and what it is told of it."""
        group, heartbeat, member = self._group, self._heartbeat, self._member
        former = {one.name for one in self._journal if isinstance(one, Removed)}
        joins = heartbeat.request.member_epoch == JOINING
        before = self._current
        after = reconciled(
            before,
            self._targets.get(member.member_id, frozenset()),
            self._target_epoch,
            owned=heartbeat.owned,
            is_free=lambda at: group.owners.get(at) is None or group.owners[at] in former,
        )
        if after != group.current.get(member.member_id):
            self._journal.append(after)
        group.touch(member.member_id, after, member.rebalance_timeout_ms, heartbeat.now_ms)
        tells = joins or heartbeat.is_full or after.assigned != before.assigned
        response = Response(
            member_id=member.member_id,
            member_epoch=after.epoch,
            heartbeat_interval_ms=group.config.consumer_heartbeat_interval_ms,
            assignment=told(after.assigned) if tells else None,
        )
        return Decision(response, self._journal)

    def _wanted(self, member: MemberSubscription) -> set[str]:
        names = set(member.topic_names)
        if member.topic_regex is not None and member.topic_regex in self._regexes:
            names.update(self._regexes[member.topic_regex].topics)
        return names

    def _resolve(self) -> None:
        """Find what the caller's expression matches now; forget expressions nobody has."""
        group, heartbeat, regex = self._group, self._heartbeat, self._member.topic_regex
        in_use = {one.topic_regex for one in self._members.values()}
        for unused in self._regexes.keys() - in_use:
            del self._regexes[unused]
            self._journal.append(Removed(Kind.REGEX, group.group_id, unused))
        if regex is None:
            return
        group.resolved_in[regex] = heartbeat.image
        matches = topic_regex(regex).matches
        names = tuple(
            name
            for name, topic in sorted(heartbeat.image.topics.items())
            if not topic.is_internal and matches(name) and heartbeat.may_describe(name)
        )
        known = self._regexes.get(regex)
        if known is None or known.topics != names:
            found = RegexTopics(
                group.group_id, regex, names, heartbeat.image.offset, heartbeat.now_ms
            )
            self._regexes[regex] = found
            self._journal.append(found)


def assignor_of(members: Iterable[MemberSubscription]) -> str:
    """The assignor that most members ask for; the first in our list where they are even."""
    votes = dict.fromkeys(ASSIGNORS, 0)
    for member in members:
        if member.assignor is not None:
            votes[member.assignor] = votes.get(member.assignor, 0) + 1
    winner = max(votes, key=lambda name: votes[name])
    return winner if votes[winner] and winner in ASSIGNORS else DEFAULT_ASSIGNOR


def told(partitions: Assignment) -> ConsumerGroupHeartbeatResponseAssignment:
    return ConsumerGroupHeartbeatResponseAssignment(
        [
            ConsumerGroupHeartbeatResponseTopic(topic_id, found)
            for topic_id, found in by_topic(partitions).items()
        ]
    )
