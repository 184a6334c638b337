"""DescribeCluster (key 60) v0-2, flexible. v1: endpoint type (KIP-919). v2: fenced brokers."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since

BROKERS = 1
CONTROLLERS = 2
OPERATIONS_UNKNOWN = -(1 << 31)  # The bit field when nobody asked for it (KIP-430).


@request(api_key=60, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeClusterRequest:
    """Ask for the cluster's brokers."""

    include_cluster_authorized_operations: bool = False
    endpoint_type: int8 = since(1, default=BROKERS)
    include_fenced_brokers: bool = since(2, default=False)


@dataclass(frozen=True, slots=True)
class DescribeClusterResponseBroker:
    """A broker, at the address of the listener the client used."""

    broker_id: int32
    host: str
    port: int32
    rack: str | None = None
    is_fenced: bool = since(2, default=False)


@response(api_key=60, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeClusterResponse:
    """The cluster and its brokers."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    endpoint_type: int8 = since(1, default=BROKERS)
    cluster_id: str = ""
    controller_id: int32 = -1
    brokers: Sequence[DescribeClusterResponseBroker] = ()
    cluster_authorized_operations: int32 = OPERATIONS_UNKNOWN
