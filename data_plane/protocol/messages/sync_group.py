"""SyncGroup (key 14) v0-5. v1: throttle time. v3: static members. v4: flexible. v5: protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since


@dataclass(frozen=True, slots=True)
class SyncGroupRequestAssignment:
    """What the leader gives one member."""

    member_id: str
    assignment: bytes = b""


@request(api_key=14, versions=range(6), flexible_from=4)
@dataclass(frozen=True, slots=True)
class SyncGroupRequest:
    """Wait for one's assignment; the leader brings everyone's."""

    group_id: str
    generation_id: int32
    member_id: str
    group_instance_id: str | None = since(3, default=None)
    protocol_type: str | None = since(5, default=None)
    protocol_name: str | None = since(5, default=None)
    assignments: Sequence[SyncGroupRequestAssignment] = ()


@response(api_key=14, versions=range(6), flexible_from=4)
@dataclass(frozen=True, slots=True)
class SyncGroupResponse:
    """This member's own assignment, empty if the leader listed none."""

    throttle_time_ms: int32 = since(1, default=0)
    error_code: int16 = 0
    protocol_type: str | None = since(5, default=None)
    protocol_name: str | None = since(5, default=None)
    assignment: bytes = b""
