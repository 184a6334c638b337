"""BrokerHeartbeat (key 63) v1, flexible, between brokers. v1: directories that are offline.

`replica_ends` is ours: how far replicas of partitions reach that nobody may lead (durability.md 3).
So is `all_shut_down`: all brokers stop, as one; who does not know it stops by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    int16,
    int32,
    int64,
    request,
    response,
    tagged,
    uuid,
)

REPLICA_ENDS_TAG = ALL_SHUT_DOWN_TAG = 10_000  # Far from the tags that Kafka may give out.


@dataclass(frozen=True, slots=True)
class BrokerHeartbeatRequestPartition:
    """How far a replica reaches; `is_lost`: its log is missing, or, if it says how far it reaches,
    some of it is not what was written."""

    partition_index: int32
    last_epoch: int32 = -1
    end_offset: int64 = 0
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class BrokerHeartbeatRequestTopic:
    """One topic's partitions."""

    topic_id: uuid
    partitions: Sequence[BrokerHeartbeatRequestPartition] = ()


@request(api_key=63, versions=range(1, 2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class BrokerHeartbeatRequest:
    """A broker is alive, and says how far it has replayed and what it wishes (KIP-631)."""

    broker_id: int32
    broker_epoch: int64 = -1
    current_metadata_offset: int64 = -1
    want_fence: bool = False
    want_shut_down: bool = False
    offline_log_dirs: Sequence[uuid] = tagged(0, since=1, default=())
    replica_ends: Sequence[BrokerHeartbeatRequestTopic] = tagged(
        REPLICA_ENDS_TAG, since=1, default=()
    )


@response(api_key=63, versions=range(1, 2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class BrokerHeartbeatResponse:
    """What the controller makes of the broker."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    is_caught_up: bool = False
    is_fenced: bool = True
    should_shut_down: bool = False
    all_shut_down: bool = tagged(ALL_SHUT_DOWN_TAG, since=1, default=False)
