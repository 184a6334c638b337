"""DescribeProducers (key 61) v0, flexible. (KIP-664)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response


@dataclass(frozen=True, slots=True)
class DescribeProducersRequestTopic:
    """One topic's partitions."""

    name: str
    partition_indexes: Sequence[int32] = ()


@request(api_key=61, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeProducersRequest:
    """Ask which producers partitions remember."""

    topics: Sequence[DescribeProducersRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class DescribeProducersResponseProducer:
    """One producer, in a transaction or not; here the epoch is an int32."""

    producer_id: int64
    producer_epoch: int32
    last_sequence: int32 = -1
    last_timestamp: int64 = -1
    coordinator_epoch: int32 = -1
    current_txn_start_offset: int64 = -1


@dataclass(frozen=True, slots=True)
class DescribeProducersResponsePartition:
    """One partition's producers."""

    partition_index: int32
    error_code: int16 = 0
    error_message: str | None = None
    active_producers: Sequence[DescribeProducersResponseProducer] = ()


@dataclass(frozen=True, slots=True)
class DescribeProducersResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[DescribeProducersResponsePartition] = ()


@response(api_key=61, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeProducersResponse:
    """The producers."""

    throttle_time_ms: int32 = 0
    topics: Sequence[DescribeProducersResponseTopic] = ()
