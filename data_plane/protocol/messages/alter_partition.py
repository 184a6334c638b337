"""AlterPartition (key 56) v2-3. v2: topic ids. v3: broker epochs of the ISR (KIP-903). Between
brokers only; `commit_mode` is ours (durability.md 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
    int8,
    int16,
    int32,
    int64,
    request,
    response,
    since,
    tagged,
    until,
    uuid,
)

MODE_UNCHANGED = -1
COMMIT_MODE_TAG = 10_000  # Far from the tags that Kafka may give out.


@dataclass(frozen=True, slots=True)
class AlterPartitionRequestBrokerState:
    """A member of the new ISR as its leader knows it; an epoch of -1 is not checked."""

    broker_id: int32
    broker_epoch: int64 = -1


@dataclass(frozen=True, slots=True)
class AlterPartitionRequestPartition:
    """What a leader wants one partition to be; refused unless both epochs are the current ones."""

    partition_index: int32
    leader_epoch: int32
    new_isr: Sequence[int32] = until(3, default=())
    new_isr_with_epochs: Sequence[AlterPartitionRequestBrokerState] = since(3, default=())
    leader_recovery_state: int8 = 0  # 1: recovering from an unclean election
    partition_epoch: int32 = -1
    commit_mode: int8 = tagged(COMMIT_MODE_TAG, since=2, default=MODE_UNCHANGED)


@dataclass(frozen=True, slots=True)
class AlterPartitionRequestTopic:
    """One topic's partitions."""

    topic_id: uuid = NO_ID
    partitions: Sequence[AlterPartitionRequestPartition] = ()


@request(api_key=56, versions=range(2, 4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class AlterPartitionRequest:
    """A leader asks the controller for other ISRs."""

    broker_id: int32
    broker_epoch: int64 = -1
    topics: Sequence[AlterPartitionRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class AlterPartitionResponsePartition:
    """One partition as it is now, or why it stays."""

    partition_index: int32
    error_code: int16 = 0
    leader_id: int32 = -1
    leader_epoch: int32 = -1
    isr: Sequence[int32] = ()
    leader_recovery_state: int8 = 0
    partition_epoch: int32 = -1


@dataclass(frozen=True, slots=True)
class AlterPartitionResponseTopic:
    """One topic's partitions."""

    topic_id: uuid = NO_ID
    partitions: Sequence[AlterPartitionResponsePartition] = ()


@response(api_key=56, versions=range(2, 4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class AlterPartitionResponse:
    """How each partition fared; the error is for all of them."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    topics: Sequence[AlterPartitionResponseTopic] = ()
