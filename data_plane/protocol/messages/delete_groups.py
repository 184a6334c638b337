"""DeleteGroups (key 42) v0-2. v2: flexible."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response


@request(api_key=42, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DeleteGroupsRequest:
    """Delete empty groups with their offsets."""

    groups_names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DeleteGroupsResponseResult:
    """What became of one group."""

    group_id: str
    error_code: int16 = 0


@response(api_key=42, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DeleteGroupsResponse:
    """What became of each group."""

    throttle_time_ms: int32 = 0
    results: Sequence[DeleteGroupsResponseResult] = ()
