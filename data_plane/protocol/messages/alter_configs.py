"""AlterConfigs (key 33) v0-2. v2: flexible. Deprecated: it replaces all of a resource's keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response


@dataclass(frozen=True, slots=True)
class AlterConfigsRequestConfig:
    """One key and its new value."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class AlterConfigsRequestResource:
    """A topic (type 2), broker (4) or other resource and its whole new configuration."""

    resource_type: int8
    resource_name: str
    configs: Sequence[AlterConfigsRequestConfig] = ()


@request(api_key=33, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class AlterConfigsRequest:
    """Replace configurations."""

    resources: Sequence[AlterConfigsRequestResource] = ()
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class AlterConfigsResponseResource:
    """What became of one resource."""

    error_code: int16 = 0
    error_message: str | None = None
    resource_type: int8 = 0
    resource_name: str = ""


@response(api_key=33, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class AlterConfigsResponse:
    """What became of each resource."""

    throttle_time_ms: int32 = 0
    responses: Sequence[AlterConfigsResponseResource] = ()
