"""IncrementalAlterConfigs (key 44) v0-1. v1: flexible. (KIP-339)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response

SET = 0
DELETE = 1
APPEND = 2
SUBTRACT = 3


@dataclass(frozen=True, slots=True)
class IncrementalAlterConfigsRequestConfig:
    """One change of one key; append and subtract work on lists."""

    name: str
    config_operation: int8 = SET
    value: str | None = None


@dataclass(frozen=True, slots=True)
class IncrementalAlterConfigsRequestResource:
    """A topic (type 2), broker (4) or other resource and its changes."""

    resource_type: int8
    resource_name: str
    configs: Sequence[IncrementalAlterConfigsRequestConfig] = ()


@request(api_key=44, versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class IncrementalAlterConfigsRequest:
    """Change configurations key by key."""

    resources: Sequence[IncrementalAlterConfigsRequestResource] = ()
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class IncrementalAlterConfigsResponseResource:
    """What became of one resource: all its changes or none."""

    error_code: int16 = 0
    error_message: str | None = None
    resource_type: int8 = 0
    resource_name: str = ""


@response(api_key=44, versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class IncrementalAlterConfigsResponse:
    """What became of each resource."""

    throttle_time_ms: int32 = 0
    responses: Sequence[IncrementalAlterConfigsResponseResource] = ()
