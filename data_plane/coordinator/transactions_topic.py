"""Wire layouts of `__transaction_state`, by Kafka's names; see transaction_records.py.

Which partition a transactional id lives in is computed as for groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    data_record,
    int8,
    int16,
    int32,
    int64,
    nullable,
    tagged,
)

TRANSACTIONS_TOPIC = "__transaction_state"


@data_record(versions=range(1), flexible_from=None)
@dataclass(frozen=True, slots=True)
class TransactionLogKey:
    """Which transactional id."""

    transactional_id: str


@dataclass(frozen=True, slots=True)
class TransactionLogValuePartitions:
    """One topic's partitions in the transaction."""

    topic: str
    partition_ids: Sequence[int32] = ()


@data_record(versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class TransactionLogValue:
    """One state of a transactional id; times are Unix ms. v1: tagged fields (KIP-890)."""

    producer_id: int64
    producer_epoch: int16
    transaction_timeout_ms: int32
    transaction_status: int8
    transaction_partitions: Sequence[TransactionLogValuePartitions] | None = nullable(
        0, default=None
    )
    transaction_last_update_timestamp_ms: int64 = -1
    transaction_start_timestamp_ms: int64 = -1
    previous_producer_id: int64 = tagged(0, since=1, default=-1)
    next_producer_id: int64 = tagged(1, since=1, default=-1)
    client_transaction_version: int16 = tagged(2, since=1, default=0)
