"""DescribeGroups (key 15) v0-6. v1: throttle time. v3: authorized operations. v4: static members.
v5: flexible. v6: GROUP_ID_NOT_FOUND with a message (KIP-1043).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since

OPERATIONS_UNKNOWN = -(1 << 31)  # The bit field when nobody asked for it (KIP-430).


@request(api_key=15, versions=range(7), flexible_from=5)
@dataclass(frozen=True, slots=True)
class DescribeGroupsRequest:
    """Describe classic groups."""

    groups: Sequence[str] = ()
    include_authorized_operations: bool = since(3, default=False)


@dataclass(frozen=True, slots=True)
class DescribeGroupsResponseMember:
    """One member: its subscription and assignment as the client's own bytes."""

    member_id: str
    group_instance_id: str | None = since(4, default=None)
    client_id: str = ""
    client_host: str = ""
    member_metadata: bytes = b""
    member_assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class DescribeGroupsResponseGroup:
    """One group; the state is one of Kafka's five names, Dead for an unknown group."""

    error_code: int16 = 0
    error_message: str | None = since(6, default=None)
    group_id: str = ""
    group_state: str = ""
    protocol_type: str = ""
    protocol_data: str = ""
    members: Sequence[DescribeGroupsResponseMember] = ()
    authorized_operations: int32 = since(3, default=OPERATIONS_UNKNOWN)


@response(api_key=15, versions=range(7), flexible_from=5)
@dataclass(frozen=True, slots=True)
class DescribeGroupsResponse:
    """The groups."""

    throttle_time_ms: int32 = since(1, default=0)
    groups: Sequence[DescribeGroupsResponseGroup] = ()
