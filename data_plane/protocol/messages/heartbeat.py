"""Heartbeat (key 12) v0-4. v1: throttle time. v3: static members (KIP-345). v4: flexible."""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since


@request(api_key=12, versions=range(5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class HeartbeatRequest:
    """Keep one classic-protocol group member alive."""

    group_id: str
    generation_id: int32  # The generation the member believes in.
    member_id: str  # Given by JoinGroup.
    group_instance_id: str | None = since(3, default=None)


@response(api_key=12, versions=range(5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class HeartbeatResponse:
    """Whether the member may go on."""

    throttle_time_ms: int32 = since(1, default=0)
    error_code: int16 = 0
