"""Fetch (key 1) v0-18. v4: isolation. v5: log start. v7: sessions (KIP-227). v9: leader epoch.
v10: zstd. v11: rack. v12: flexible, diverging epoch. v13: topic ids. v15: replica state (KIP-903).
v16: new leader (KIP-951). v17: directory ids. v18: high watermark in the request (KIP-1166).

The broker reads and answers Fetch through hot/fetch.py; this declaration is what it must equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
    int8,
    int16,
    int32,
    int64,
    record_batches,
    request,
    response,
    since,
    tagged,
    until,
    uuid,
)

HIGH_WATERMARK_UNKNOWN = (1 << 63) - 1  # A follower that does not say.


@dataclass(frozen=True, slots=True)
class FetchRequestReplicaState:
    """Which replica fetches, and its broker epoch, which fences zombies."""

    replica_id: int32 = -1
    replica_epoch: int64 = -1


@dataclass(frozen=True, slots=True)
class FetchRequestPartition:
    """From where one partition is read; an epoch of -1 is not checked."""

    partition: int32
    current_leader_epoch: int32 = since(9, default=-1)
    fetch_offset: int64 = 0
    last_fetched_epoch: int32 = since(12, default=-1)
    log_start_offset: int64 = since(5, default=-1)
    partition_max_bytes: int32 = 1 << 20
    replica_directory_id: uuid = tagged(0, since=17, default=NO_ID)
    high_watermark: int64 = tagged(1, since=18, default=HIGH_WATERMARK_UNKNOWN)


@dataclass(frozen=True, slots=True)
class FetchRequestTopic:
    """A topic, by name before v13 and by id from then on."""

    topic: str = until(13, default="")
    topic_id: uuid = since(13, default=NO_ID)
    partitions: Sequence[FetchRequestPartition] = ()


@dataclass(frozen=True, slots=True)
class FetchRequestForgottenTopic:
    """Partitions to drop from an incremental session."""

    topic: str = since(7, until=13, default="")
    topic_id: uuid = since(13, default=NO_ID)
    partitions: Sequence[int32] = ()


@request(api_key=1, versions=range(19), flexible_from=12)
@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Read record batches; a replica id of -1 is a consumer."""

    cluster_id: str | None = tagged(0, since=12, default=None)
    replica_id: int32 = until(15, default=-1)
    replica_state: FetchRequestReplicaState = tagged(
        1, since=15, default=FetchRequestReplicaState()
    )
    max_wait_ms: int32 = 500
    min_bytes: int32 = 1
    max_bytes: int32 = since(3, default=0x7FFF_FFFF)
    isolation_level: int8 = since(4, default=0)
    session_id: int32 = since(7, default=0)
    session_epoch: int32 = since(7, default=-1)
    topics: Sequence[FetchRequestTopic] = ()
    forgotten_topics_data: Sequence[FetchRequestForgottenTopic] = since(7, default=())
    rack_id: str = since(11, default="")


@dataclass(frozen=True, slots=True)
class FetchResponseEpochEndOffset:
    """Where the fetcher's last epoch ended on the leader: truncate there."""

    epoch: int32 = -1
    end_offset: int64 = -1


@dataclass(frozen=True, slots=True)
class FetchResponseLeaderIdAndEpoch:
    """Who leads the partition now."""

    leader_id: int32 = -1
    leader_epoch: int32 = -1


@dataclass(frozen=True, slots=True)
class FetchResponseSnapshotId:
    """The snapshot a follower of the metadata log must fetch instead."""

    end_offset: int64 = -1
    epoch: int32 = -1


@dataclass(frozen=True, slots=True)
class FetchResponseAbortedTransaction:
    """An aborted transaction that overlaps the records returned."""

    producer_id: int64
    first_offset: int64


@dataclass(frozen=True, slots=True)
class FetchResponsePartition:
    """One partition's records; the three offsets are filled even when there are none."""

    partition_index: int32
    error_code: int16 = 0
    high_watermark: int64 = -1
    last_stable_offset: int64 = since(4, default=-1)
    log_start_offset: int64 = since(5, default=-1)
    diverging_epoch: FetchResponseEpochEndOffset = tagged(
        0, since=12, default=FetchResponseEpochEndOffset()
    )
    current_leader: FetchResponseLeaderIdAndEpoch = tagged(
        1, since=12, default=FetchResponseLeaderIdAndEpoch()
    )
    snapshot_id: FetchResponseSnapshotId = tagged(2, since=12, default=FetchResponseSnapshotId())
    aborted_transactions: Sequence[FetchResponseAbortedTransaction] | None = since(4, default=None)
    preferred_read_replica: int32 = since(11, default=-1)
    records: record_batches | None = None


@dataclass(frozen=True, slots=True)
class FetchResponseTopic:
    """One topic's partitions."""

    topic: str = until(13, default="")
    topic_id: uuid = since(13, default=NO_ID)
    partitions: Sequence[FetchResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class FetchResponseNodeEndpoint:
    """Where a leader named in this response listens."""

    node_id: int32
    host: str
    port: int32
    rack: str | None = None


@response(api_key=1, versions=range(19), flexible_from=12)
@dataclass(frozen=True, slots=True)
class FetchResponse:
    """Record batches; session 0 means that the broker keeps no session."""

    throttle_time_ms: int32 = since(1, default=0)
    error_code: int16 = since(7, default=0)
    session_id: int32 = since(7, default=0)
    responses: Sequence[FetchResponseTopic] = ()
    node_endpoints: Sequence[FetchResponseNodeEndpoint] = tagged(0, since=16, default=())
