"""ConsumerGroupHeartbeat (key 68) v0-1, flexible. v1: regex, client-made member id (KIP-1082).

The one request of a KIP-848 member: it joins (epoch 0), stays and leaves (-1, -2 for static) by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since, uuid


@dataclass(frozen=True, slots=True)
class ConsumerGroupHeartbeatRequestTopic:
    """Partitions of one topic the member owns."""

    topic_id: uuid
    partitions: Sequence[int32] = ()


@request(api_key=68, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ConsumerGroupHeartbeatRequest:
    """Null, or -1 for the timeout, means unchanged since the last heartbeat."""

    group_id: str
    member_id: str = ""
    member_epoch: int32 = 0
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int32 = -1
    subscribed_topic_names: Sequence[str] | None = None
    subscribed_topic_regex: str | None = since(1, default=None)
    server_assignor: str | None = None
    topic_partitions: Sequence[ConsumerGroupHeartbeatRequestTopic] | None = None


@dataclass(frozen=True, slots=True)
class ConsumerGroupHeartbeatResponseTopic:
    """Partitions of one topic the member shall own."""

    topic_id: uuid
    partitions: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class ConsumerGroupHeartbeatResponseAssignment:
    """What the member shall own now."""

    topic_partitions: Sequence[ConsumerGroupHeartbeatResponseTopic] = ()


@response(api_key=68, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ConsumerGroupHeartbeatResponse:
    """The member's epoch; a null assignment is unchanged."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    member_id: str | None = None
    member_epoch: int32 = 0
    heartbeat_interval_ms: int32 = 0
    assignment: ConsumerGroupHeartbeatResponseAssignment | None = None
