"""What members of a classic group are answered, now or when what they wait for has come."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from data_plane.coordinator.classic_member import Member
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from data_plane.protocol.messages.sync_group import SyncGroupResponse

if TYPE_CHECKING:
    from data_plane.coordinator.classic_group import ClassicGroup

R = TypeVar("R")


@dataclass(slots=True)
class Outcome:
    """What one step asks for: records to append, parked requests to answer after them."""

    records: list[object] = field(default_factory=list)
    replies: list[tuple[object, object]] = field(default_factory=list)
    is_begun: bool = False  # the group has changed already: `records` may not be refused

    def deciding(self, response: R) -> Decision[R]:
        return Decision(response, self.records, self.replies, self.is_begun)


def join_response(group: "ClassicGroup", member: Member) -> JoinGroupResponse:
    """What a member is told of the current generation; the leader also sees everybody."""
    is_leader = member.member_id == group.leader_id
    return JoinGroupResponse(
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        leader=group.leader_id or "",
        member_id=member.member_id,
        members=_roster(group) if is_leader else (),
    )


def _roster(group: "ClassicGroup") -> tuple[JoinGroupResponseMember, ...]:
    return tuple(
        JoinGroupResponseMember(
            member_id=member.member_id,
            group_instance_id=member.instance_id,
            metadata=member.metadata_for(group.protocol_name),
        )
        for member in group.members.values()
    )


def answer_join(member: Member, response: JoinGroupResponse, out: Outcome, now_ms: int) -> None:
    """Answer a member's parked JoinGroup, if there is one; its session starts now."""
    if member.join_token is not None:
        out.replies.append((member.join_token, response))
        member.join_token, member.is_new = None, False
        member.touch(now_ms)


def sync_response(group: "ClassicGroup", assignment: bytes) -> SyncGroupResponse:
    return SyncGroupResponse(
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        assignment=assignment,
    )


def answer_syncs(group: "ClassicGroup", out: Outcome, code: ErrorCode, now_ms: int) -> None:
    """Refuse every parked SyncGroup with `code`; sessions go on from here."""
    for member in group.members.values():
        if member.sync_token is not None:
            out.replies.append((member.sync_token, SyncGroupResponse(error_code=code)))
            member.sync_token = None
            member.touch(now_ms)


def refuse_parked(member: Member, code: ErrorCode, out: Outcome) -> None:
    """Answer whatever a member has parked here with an error."""
    if member.join_token is not None:
        out.replies.append((member.join_token, JoinGroupResponse(error_code=code)))
        member.join_token = None
    if member.sync_token is not None:
        out.replies.append((member.sync_token, SyncGroupResponse(error_code=code)))
        member.sync_token = None
