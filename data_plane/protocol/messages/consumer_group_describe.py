"""ConsumerGroupDescribe (key 69) v0-1, flexible. v1: member type (KIP-1099)."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since, uuid

OPERATIONS_UNKNOWN = -(1 << 31)  # The bit field when nobody asked for it (KIP-430).


@request(api_key=69, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ConsumerGroupDescribeRequest:
    """Describe KIP-848 groups."""

    group_ids: Sequence[str] = ()
    include_authorized_operations: bool = False


@dataclass(frozen=True, slots=True)
class ConsumerGroupDescribeResponseTopic:
    """Partitions of one topic."""

    topic_id: uuid
    topic_name: str
    partitions: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class ConsumerGroupDescribeResponseAssignment:
    """What a member owns or shall own."""

    topic_partitions: Sequence[ConsumerGroupDescribeResponseTopic] = ()


@dataclass(frozen=True, slots=True)
class ConsumerGroupDescribeResponseMember:
    """One member; type 0 speaks the classic protocol, 1 KIP-848."""

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    member_epoch: int32 = 0
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: Sequence[str] = ()
    subscribed_topic_regex: str | None = None
    assignment: ConsumerGroupDescribeResponseAssignment = ConsumerGroupDescribeResponseAssignment()
    target_assignment: ConsumerGroupDescribeResponseAssignment = (
        ConsumerGroupDescribeResponseAssignment()
    )
    member_type: int8 = since(1, default=-1)


@dataclass(frozen=True, slots=True)
class ConsumerGroupDescribeResponseGroup:
    """One group."""

    error_code: int16 = 0
    error_message: str | None = None
    group_id: str = ""
    group_state: str = ""
    group_epoch: int32 = 0
    assignment_epoch: int32 = 0
    assignor_name: str = ""
    members: Sequence[ConsumerGroupDescribeResponseMember] = ()
    authorized_operations: int32 = OPERATIONS_UNKNOWN


@response(api_key=69, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ConsumerGroupDescribeResponse:
    """The groups."""

    throttle_time_ms: int32 = 0
    groups: Sequence[ConsumerGroupDescribeResponseGroup] = ()
