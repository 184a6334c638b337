"""TxnOffsetCommit (key 28) v0-5. v2: leader epoch. v3: flexible, membership (KIP-447).
v4: TRANSACTION_ABORTABLE. v5: implicit AddOffsets under transaction.version 2 (KIP-890).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since


@dataclass(frozen=True, slots=True)
class TxnOffsetCommitRequestPartition:
    """The next offset to consume, and a string that must come back as it was."""

    partition_index: int32
    committed_offset: int64 = -1
    committed_leader_epoch: int32 = since(2, default=-1)
    committed_metadata: str | None = None


@dataclass(frozen=True, slots=True)
class TxnOffsetCommitRequestTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[TxnOffsetCommitRequestPartition] = ()


@request(api_key=28, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class TxnOffsetCommitRequest:
    """Commit offsets that count once the transaction commits."""

    transactional_id: str
    group_id: str
    producer_id: int64
    producer_epoch: int16
    generation_id: int32 = since(3, default=-1)
    member_id: str = since(3, default="")
    group_instance_id: str | None = since(3, default=None)
    topics: Sequence[TxnOffsetCommitRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class TxnOffsetCommitResponsePartition:
    """Whether one partition's offset was taken."""

    partition_index: int32
    error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class TxnOffsetCommitResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[TxnOffsetCommitResponsePartition] = ()


@response(api_key=28, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class TxnOffsetCommitResponse:
    """Which offsets were taken."""

    throttle_time_ms: int32 = 0
    topics: Sequence[TxnOffsetCommitResponseTopic] = ()
