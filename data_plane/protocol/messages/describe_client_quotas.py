"""DescribeClientQuotas (key 48) v0-1. v1: flexible. (KIP-546)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import float64, int8, int16, int32, request, response

EXACT = 0
DEFAULT = 1
ANY = 2


@dataclass(frozen=True, slots=True)
class DescribeClientQuotasRequestComponent:
    """One part of a filter: an entity type, and how its name must match."""

    entity_type: str
    match_type: int8 = ANY
    match: str | None = None


@request(api_key=48, versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class DescribeClientQuotasRequest:
    """Filter quotas; strict leaves out entities of other types."""

    components: Sequence[DescribeClientQuotasRequestComponent] = ()
    strict: bool = False


@dataclass(frozen=True, slots=True)
class DescribeClientQuotasResponseEntity:
    """One part of an entity; a null name is the default."""

    entity_type: str
    entity_name: str | None = None


@dataclass(frozen=True, slots=True)
class DescribeClientQuotasResponseValue:
    """One quota."""

    key: str
    value: float64


@dataclass(frozen=True, slots=True)
class DescribeClientQuotasResponseEntry:
    """One entity's quotas."""

    entity: Sequence[DescribeClientQuotasResponseEntity] = ()
    values: Sequence[DescribeClientQuotasResponseValue] = ()


@response(api_key=48, versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class DescribeClientQuotasResponse:
    """The quotas that match; null entries on an error."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    entries: Sequence[DescribeClientQuotasResponseEntry] | None = ()
