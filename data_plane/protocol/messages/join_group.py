"""JoinGroup (key 11) v0-9. v1: rebalance timeout. v2: throttle time. v4: member id required.
v5: static members. v6: flexible. v7: type in the response. v8: reason. v9: skip assignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, nullable, request, response, since


@dataclass(frozen=True, slots=True)
class JoinGroupRequestProtocol:
    """An assignor the member can run, with its subscription."""

    name: str
    metadata: bytes = b""


@request(api_key=11, versions=range(10), flexible_from=6)
@dataclass(frozen=True, slots=True)
class JoinGroupRequest:
    """Join a classic group; a rebalance timeout of -1 (v0) means the session timeout."""

    group_id: str
    session_timeout_ms: int32 = 0
    rebalance_timeout_ms: int32 = since(1, default=-1)
    member_id: str = ""
    group_instance_id: str | None = since(5, default=None)
    protocol_type: str = ""
    protocols: Sequence[JoinGroupRequestProtocol] = ()
    reason: str | None = since(8, default=None)


@dataclass(frozen=True, slots=True)
class JoinGroupResponseMember:
    """A member as the group's leader sees it."""

    member_id: str
    group_instance_id: str | None = since(5, default=None)
    metadata: bytes = b""


@response(api_key=11, versions=range(10), flexible_from=6)
@dataclass(frozen=True, slots=True)
class JoinGroupResponse:
    """The generation joined; only the leader gets the members."""

    throttle_time_ms: int32 = since(2, default=0)
    error_code: int16 = 0
    generation_id: int32 = -1
    protocol_type: str | None = since(7, default=None)
    protocol_name: str | None = nullable(7, default="")
    leader: str = ""
    skip_assignment: bool = since(9, default=False)
    member_id: str = ""
    members: Sequence[JoinGroupResponseMember] = ()
