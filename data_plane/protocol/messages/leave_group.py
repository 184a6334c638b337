"""LeaveGroup (key 13) v0-5. v1: throttle time. v3: a batch of members. v4: flexible. v5: reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since, until


@dataclass(frozen=True, slots=True)
class LeaveGroupRequestMember:
    """A member to remove, by member id or, if static, by instance id."""

    member_id: str
    group_instance_id: str | None = None
    reason: str | None = since(5, default=None)


@request(api_key=13, versions=range(6), flexible_from=4)
@dataclass(frozen=True, slots=True)
class LeaveGroupRequest:
    """Leave a classic group: one member before v3, several from then on."""

    group_id: str
    member_id: str = until(3, default="")
    members: Sequence[LeaveGroupRequestMember] = since(3, default=())


@dataclass(frozen=True, slots=True)
class LeaveGroupResponseMember:
    """Whether one member was removed."""

    member_id: str
    group_instance_id: str | None = None
    error_code: int16 = 0


@response(api_key=13, versions=range(6), flexible_from=4)
@dataclass(frozen=True, slots=True)
class LeaveGroupResponse:
    """Which members were removed."""

    throttle_time_ms: int32 = since(1, default=0)
    error_code: int16 = 0
    members: Sequence[LeaveGroupResponseMember] = since(3, default=())
