"""ListOffsets (key 2) v0-11. v1: one offset with its timestamp (v0: a list of offsets before it).
v2: isolation. v4: leader epoch. v6: flexible. v7: max timestamp. v8, v9, v11: tiers. v10: timeout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, int64, request, response, since, until

LATEST_TIMESTAMP = -1  # The high watermark, or the last stable offset under read_committed.
EARLIEST_TIMESTAMP = -2
MAX_TIMESTAMP = -3  # The offset that has the greatest timestamp (KIP-734).
EARLIEST_LOCAL_TIMESTAMP = -4
LATEST_TIERED_TIMESTAMP = -5
EARLIEST_PENDING_UPLOAD_TIMESTAMP = -6


@dataclass(frozen=True, slots=True)
class ListOffsetsRequestPartition:
    """A partition and the time asked for: Unix ms, or one of the constants above."""

    partition_index: int32
    current_leader_epoch: int32 = since(4, default=-1)
    timestamp: int64 = LATEST_TIMESTAMP
    max_num_offsets: int32 = until(1, default=1)


@dataclass(frozen=True, slots=True)
class ListOffsetsRequestTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[ListOffsetsRequestPartition] = ()


@request(api_key=2, versions=range(12), flexible_from=6)
@dataclass(frozen=True, slots=True)
class ListOffsetsRequest:
    """Find offsets by time; a replica id of -1 is a consumer."""

    replica_id: int32 = -1
    isolation_level: int8 = since(2, default=0)
    topics: Sequence[ListOffsetsRequestTopic] = ()
    timeout_ms: int32 = since(10, default=0)


@dataclass(frozen=True, slots=True)
class ListOffsetsResponsePartition:
    """The record found: its timestamp and the epoch of its own batch; -1 for none, no error."""

    partition_index: int32
    error_code: int16 = 0
    old_style_offsets: Sequence[int64] = until(1, default=())
    timestamp: int64 = since(1, default=-1)
    offset: int64 = since(1, default=-1)
    leader_epoch: int32 = since(4, default=-1)


@dataclass(frozen=True, slots=True)
class ListOffsetsResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[ListOffsetsResponsePartition] = ()


@response(api_key=2, versions=range(12), flexible_from=6)
@dataclass(frozen=True, slots=True)
class ListOffsetsResponse:
    """The offsets found."""

    throttle_time_ms: int32 = since(2, default=0)
    topics: Sequence[ListOffsetsResponseTopic] = ()
