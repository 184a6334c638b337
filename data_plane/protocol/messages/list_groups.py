"""ListGroups (key 16) v0-5. v1: throttle time. v3: flexible. v4: states (KIP-518). v5: types."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since


@request(api_key=16, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class ListGroupsRequest:
    """List the groups of this coordinator; an empty filter lets all through."""

    states_filter: Sequence[str] = since(4, default=())
    types_filter: Sequence[str] = since(5, default=())


@dataclass(frozen=True, slots=True)
class ListGroupsResponseGroup:
    """One group."""

    group_id: str
    protocol_type: str = ""
    group_state: str = since(4, default="")
    group_type: str = since(5, default="")


@response(api_key=16, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class ListGroupsResponse:
    """The groups."""

    throttle_time_ms: int32 = since(1, default=0)
    error_code: int16 = 0
    groups: Sequence[ListGroupsResponseGroup] = ()
