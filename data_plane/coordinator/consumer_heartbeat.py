"""ConsumerGroupHeartbeat as the coordinator sees it: the request, and what no group may accept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_plane.coordinator.consumer_group import AWAY, JOINING
from data_plane.coordinator.consumer_group_records import Assignment, Classic
from data_plane.coordinator.topic_regex import InvalidRegex, topic_regex
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest

REGEX_CHARS_MAX = 1_000
NO_SUBSCRIPTION = (
    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
)


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
    classic: Classic | None = None  # set: it stands for a JoinGroup (classic_in_consumer.py)

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


def check(request: ConsumerGroupHeartbeatRequest, assignors: Sequence[str]) -> None:
    """Refuse what no member may send, whatever the group. Raises KafkaError.

    assignors: those that may be asked for.
    """
    joins = request.member_epoch == JOINING
    wrong = {
        "GroupId can't be empty.": not request.group_id.strip(),
        "InstanceId can't be empty.": request.instance_id == "",
        "RackId can't be empty.": request.rack_id == "",
        "MemberEpoch is invalid.": request.member_epoch < AWAY,
        "InstanceId can't be null.": request.member_epoch == AWAY and request.instance_id is None,
        "RebalanceTimeoutMs must be provided in first request.": joins
        and request.rebalance_timeout_ms < 0,
        "TopicPartitions must be empty when (re-)joining.": joins
        and bool(request.topic_partitions is None or request.topic_partitions),
        # Empty ones are welcome: a member may want nothing for now.
        NO_SUBSCRIPTION: joins
        and request.subscribed_topic_names is None
        and request.subscribed_topic_regex is None,
    }
    for text, is_wrong in wrong.items():
        if is_wrong:
            raise KafkaError(text, code=ErrorCode.INVALID_REQUEST)
    if request.server_assignor is not None and request.server_assignor not in assignors:
        known = ", ".join(assignors)
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
