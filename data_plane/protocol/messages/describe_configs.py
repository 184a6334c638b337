"""DescribeConfigs (key 32) v0-4. v1: synonyms and source (v0: is_default). v3: types and
documentation (KIP-569). v4: flexible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since, until


@dataclass(frozen=True, slots=True)
class DescribeConfigsRequestResource:
    """A topic (type 2), broker (4) or other resource; null keys ask for all."""

    resource_type: int8
    resource_name: str
    configuration_keys: Sequence[str] | None = None


@request(api_key=32, versions=range(5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class DescribeConfigsRequest:
    """Read configurations."""

    resources: Sequence[DescribeConfigsRequestResource] = ()
    include_synonyms: bool = since(1, default=False)
    include_documentation: bool = since(3, default=False)


@dataclass(frozen=True, slots=True)
class DescribeConfigsResponseSynonym:
    """Another place that could give the value, strongest first."""

    name: str
    value: str | None = None
    source: int8 = 0


@dataclass(frozen=True, slots=True)
class DescribeConfigsResponseConfig:
    """One key, null if sensitive. Source: 1 topic, 2-3 dynamic, 4 static, 5 default."""

    name: str
    value: str | None = None
    read_only: bool = False
    config_source: int8 = since(1, default=-1)
    is_default: bool = until(1, default=False)
    is_sensitive: bool = False
    synonyms: Sequence[DescribeConfigsResponseSynonym] = since(1, default=())
    config_type: int8 = since(3, default=0)
    documentation: str | None = since(3, default=None)


@dataclass(frozen=True, slots=True)
class DescribeConfigsResponseResult:
    """One resource's configuration."""

    error_code: int16 = 0
    error_message: str | None = None
    resource_type: int8 = 0
    resource_name: str = ""
    configs: Sequence[DescribeConfigsResponseConfig] = ()


@response(api_key=32, versions=range(5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class DescribeConfigsResponse:
    """All configurations asked for."""

    throttle_time_ms: int32 = 0
    results: Sequence[DescribeConfigsResponseResult] = ()
