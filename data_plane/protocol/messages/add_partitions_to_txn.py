"""AddPartitionsToTxn (key 24) v0-5. v3: flexible. v4: batches between brokers, with verification
(KIP-890). v5: TRANSACTION_ABORTABLE. Clients speak v0-3, brokers v4-5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since, until


@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnRequestTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnRequestTransaction:
    """One transaction of a broker's batch; verify_only asks without adding."""

    transactional_id: str
    producer_id: int64
    producer_epoch: int16
    verify_only: bool = False
    topics: Sequence[AddPartitionsToTxnRequestTopic] = ()


@request(api_key=24, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnRequest:
    """Add partitions to a transaction before the first write."""

    transactions: Sequence[AddPartitionsToTxnRequestTransaction] = since(4, default=())
    v3_and_below_transactional_id: str = until(4, default="")
    v3_and_below_producer_id: int64 = until(4, default=-1)
    v3_and_below_producer_epoch: int16 = until(4, default=-1)
    v3_and_below_topics: Sequence[AddPartitionsToTxnRequestTopic] = until(4, default=())


@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnResponsePartition:
    """Whether one partition is in the transaction."""

    partition_index: int32
    partition_error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnResponseTopic:
    """One topic's partitions."""

    name: str
    results_by_partition: Sequence[AddPartitionsToTxnResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnResponseTransaction:
    """One transaction of a broker's batch."""

    transactional_id: str
    topic_results: Sequence[AddPartitionsToTxnResponseTopic] = ()


@response(api_key=24, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class AddPartitionsToTxnResponse:
    """Which partitions are in which transaction."""

    throttle_time_ms: int32 = 0
    error_code: int16 = since(4, default=0)
    results_by_transaction: Sequence[AddPartitionsToTxnResponseTransaction] = since(4, default=())
    results_by_topic_v3_and_below: Sequence[AddPartitionsToTxnResponseTopic] = until(4, default=())
