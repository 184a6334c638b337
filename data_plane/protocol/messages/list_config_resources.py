"""ListConfigResources (key 74) v0-1, flexible. v1: any type of resource (KIP-1142). v0 knew those
of client metrics alone (KIP-714).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since

CLIENT_METRICS = 16


@request(api_key=74, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ListConfigResourcesRequest:
    """List what has, or may have, configs; no types asks for all of them."""

    resource_types: Sequence[int8] = since(1, default=())


@dataclass(frozen=True, slots=True)
class ListConfigResourcesResponseConfigResource:
    """One resource, by the name that DescribeConfigs takes."""

    resource_name: str
    resource_type: int8 = since(1, default=CLIENT_METRICS)


@response(api_key=74, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ListConfigResourcesResponse:
    """The resources of the types asked for."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    config_resources: Sequence[ListConfigResourcesResponseConfigResource] = ()
