"""AlterClientQuotas (key 49) v0-1. v1: flexible. (KIP-546)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import float64, int16, int32, request, response


@dataclass(frozen=True, slots=True)
class AlterClientQuotasRequestEntity:
    """One part of an entity; a null name is the default."""

    entity_type: str
    entity_name: str | None = None


@dataclass(frozen=True, slots=True)
class AlterClientQuotasRequestOp:
    """Set or remove one quota."""

    key: str
    value: float64 = 0.0
    remove: bool = False


@dataclass(frozen=True, slots=True)
class AlterClientQuotasRequestEntry:
    """One entity's changes."""

    entity: Sequence[AlterClientQuotasRequestEntity] = ()
    ops: Sequence[AlterClientQuotasRequestOp] = ()


@request(api_key=49, versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class AlterClientQuotasRequest:
    """Change quotas."""

    entries: Sequence[AlterClientQuotasRequestEntry] = ()
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class AlterClientQuotasResponseEntity:
    """One part of an entity; a null name is the default."""

    entity_type: str
    entity_name: str | None = None


@dataclass(frozen=True, slots=True)
class AlterClientQuotasResponseEntry:
    """What became of one entity."""

    error_code: int16 = 0
    error_message: str | None = None
    entity: Sequence[AlterClientQuotasResponseEntity] = ()


@response(api_key=49, versions=range(2), flexible_from=1)
@dataclass(frozen=True, slots=True)
class AlterClientQuotasResponse:
    """What became of each entity."""

    throttle_time_ms: int32 = 0
    entries: Sequence[AlterClientQuotasResponseEntry] = ()
