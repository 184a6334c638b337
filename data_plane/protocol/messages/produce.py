"""Produce (key 0) v0-13. v3: transactions. v5: log start. v7: zstd (KIP-110). v8: record errors
(KIP-467). v9: flexible. v10: new leader (KIP-951). v12: implicit AddPartitions (KIP-890). v13: ids.

The broker reads and answers Produce through hot/produce.py; this declaration is what it must equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
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


@dataclass(frozen=True, slots=True)
class ProduceRequestPartition:
    """Record batches for one partition."""

    index: int32
    records: record_batches | None = None


@dataclass(frozen=True, slots=True)
class ProduceRequestTopic:
    """A topic, by name before v13 and by id from then on."""

    name: str = until(13, default="")
    topic_id: uuid = since(13, default=NO_ID)
    partition_data: Sequence[ProduceRequestPartition] = ()


@request(api_key=0, versions=range(14), flexible_from=9)
@dataclass(frozen=True, slots=True)
class ProduceRequest:
    """Append record batches; acks is -1, 0 or 1."""

    transactional_id: str | None = since(3, default=None)
    acks: int16 = -1
    timeout_ms: int32 = 30_000
    topic_data: Sequence[ProduceRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class ProduceResponseRecordError:
    """Why one record of a batch was refused (KIP-467)."""

    batch_index: int32
    batch_index_error_message: str | None = None


@dataclass(frozen=True, slots=True)
class ProduceResponseLeaderIdAndEpoch:
    """Who leads the partition now, for a client that asked the wrong broker."""

    leader_id: int32 = -1
    leader_epoch: int32 = -1


@dataclass(frozen=True, slots=True)
class ProduceResponsePartition:
    """What became of one partition's batches; log_append_time_ms is -1 under create time."""

    index: int32
    error_code: int16 = 0
    base_offset: int64 = -1
    log_append_time_ms: int64 = since(2, default=-1)
    log_start_offset: int64 = since(5, default=-1)
    record_errors: Sequence[ProduceResponseRecordError] = since(8, default=())
    error_message: str | None = since(8, default=None)
    current_leader: ProduceResponseLeaderIdAndEpoch = tagged(
        0, since=10, default=ProduceResponseLeaderIdAndEpoch()
    )


@dataclass(frozen=True, slots=True)
class ProduceResponseTopic:
    """The results of one topic."""

    name: str = until(13, default="")
    topic_id: uuid = since(13, default=NO_ID)
    partition_responses: Sequence[ProduceResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class ProduceResponseNodeEndpoint:
    """Where a leader named in this response listens."""

    node_id: int32
    host: str
    port: int32
    rack: str | None = None


@response(api_key=0, versions=range(14), flexible_from=9)
@dataclass(frozen=True, slots=True)
class ProduceResponse:
    """The results of a produce; acks=0 gets none."""

    responses: Sequence[ProduceResponseTopic] = ()
    throttle_time_ms: int32 = since(1, default=0)
    node_endpoints: Sequence[ProduceResponseNodeEndpoint] = tagged(0, since=10, default=())
