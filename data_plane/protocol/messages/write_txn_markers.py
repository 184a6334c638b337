"""WriteTxnMarkers (key 27) v1-2, flexible. v2: transaction version. Between brokers."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, int64, request, response, since


@dataclass(frozen=True, slots=True)
class WriteTxnMarkersRequestTopic:
    """One topic's partitions."""

    name: str
    partition_indexes: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class WriteTxnMarkersRequestMarker:
    """One transaction's end; a true result commits."""

    producer_id: int64
    producer_epoch: int16
    transaction_result: bool
    topics: Sequence[WriteTxnMarkersRequestTopic] = ()
    coordinator_epoch: int32 = -1
    transaction_version: int8 = since(2, default=0)


@request(api_key=27, versions=range(1, 3), flexible_from=1)
@dataclass(frozen=True, slots=True)
class WriteTxnMarkersRequest:
    """Write the ends of transactions into partitions this broker leads."""

    markers: Sequence[WriteTxnMarkersRequestMarker] = ()


@dataclass(frozen=True, slots=True)
class WriteTxnMarkersResponsePartition:
    """Whether one partition has its marker."""

    partition_index: int32
    error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class WriteTxnMarkersResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[WriteTxnMarkersResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class WriteTxnMarkersResponseMarker:
    """One transaction's partitions."""

    producer_id: int64
    topics: Sequence[WriteTxnMarkersResponseTopic] = ()


@response(api_key=27, versions=range(1, 3), flexible_from=1)
@dataclass(frozen=True, slots=True)
class WriteTxnMarkersResponse:
    """Which markers were written."""

    markers: Sequence[WriteTxnMarkersResponseMarker] = ()
