"""JoinGroup in a classic group: who may come in, and whether that disturbs the generation.

Three kinds of caller: somebody new (no member id), somebody who was just handed a member id
(KIP-394), and a member that joins again. Only a follower of a Stable group that brings the same
metadata as before, or a static member that takes over its former place, changes nothing.
"""

from dataclasses import dataclass, replace

from data_plane.coordinator.classic_answers import (
    Outcome,
    answer_join,
    join_response,
    refuse_parked,
)
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_journal import generation_record
from data_plane.coordinator.classic_member import GroupState, Member
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

S = GroupState


@dataclass(frozen=True, slots=True)
class JoinAttempt:
    """One JoinGroup with what surrounds it."""

    request: JoinGroupRequest
    api_version: int
    client_id: str
    client_host: str
    new_member_id: str  # to be given out where the request has none
    token: object  # the parked request

    @property
    def needs_known_id(self) -> bool:
        """From v4 on a new dynamic member first learns its id and joins again (KIP-394)."""
        return self.api_version >= 4 and self.request.group_instance_id is None

    @property
    def can_skip_assignment(self) -> bool:
        """From v9 on a returning static leader may be told to keep the assignment (KIP-814)."""
        return self.api_version >= 9

    def protocols(self) -> tuple[tuple[str, bytes], ...]:
        # Copied, since the metadata may be a view of a buffer that the connection uses again.
        return tuple((p.name, bytes(p.metadata)) for p in self.request.protocols)

    def rebalance_timeout_ms(self) -> int:
        """v0 has none and means the session timeout."""
        asked = self.request.rebalance_timeout_ms
        return asked if self.api_version >= 1 and asked >= 0 else self.request.session_timeout_ms


def join(group: ClassicGroup, attempt: JoinAttempt, now_ms: int, out: Outcome) -> None:
    """Let the caller in, park it in its member, or answer it through `out`."""
    request = attempt.request
    if not _has_room(group, request.member_id) or not _fits(group, attempt):
        _refuse(attempt, ErrorCode.GROUP_MAX_SIZE_REACHED, out)
        _turn_out(group, request.member_id, now_ms, out)
    elif not group.supports(request.protocol_type, [p.name for p in request.protocols]):
        _refuse(attempt, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, out)
    elif not request.member_id:
        _join_new(group, attempt, now_ms, out)
    elif request.member_id in group.pending_ids:
        _admit(group, attempt, request.member_id, now_ms, out)
    else:
        _join_again(group, attempt, now_ms, out)


def _has_room(group: ClassicGroup, member_id: str) -> bool:
    """Members keep their seats, unless the limit was lowered below them: then first come, first
    served. Ids that were handed out hold a seat too, or asking for ids would have no limit.
    """
    size_max = group.config.group_size_max
    member = group.members.get(member_id)
    if member is not None:
        joined = sum(m.join_token is not None for m in group.members.values())
        is_seated = len(group.members) <= size_max or member.join_token is not None
        return is_seated or joined < size_max
    promised = len(group.pending_ids.keys() - {member_id})
    return len(group.members) + promised < size_max


def _fits(group: ClassicGroup, attempt: JoinAttempt) -> bool:
    """The leader is sent everybody's metadata, and the journal keeps it: together it is limited."""
    others = (m for m in group.members.values() if m.member_id != attempt.request.member_id)
    own_bytes = sum(len(p.name) + len(p.metadata) for p in attempt.request.protocols)
    in_all = own_bytes + sum(member.metadata_bytes for member in others)
    return in_all <= group.config.group_record_bytes_max


def _turn_out(group: ClassicGroup, member_id: str, now_ms: int, out: Outcome) -> None:
    """Who finds no seat any more is no member any more."""
    group.pending_ids.pop(member_id, None)
    if member_id in group.members:
        group.remove(group.members[member_id], out)
        group.rebalance(now_ms, out)


def _join_new(group: ClassicGroup, attempt: JoinAttempt, now_ms: int, out: Outcome) -> None:
    request = attempt.request
    former_id = group.static_ids.get(request.group_instance_id or "")
    if request.group_instance_id is not None and former_id is not None:
        _take_over(group, group.members[former_id], attempt, now_ms, out)
    elif attempt.needs_known_id:
        group.pending_ids[attempt.new_member_id] = now_ms + request.session_timeout_ms
        _refuse(attempt, ErrorCode.MEMBER_ID_REQUIRED, out, member_id=attempt.new_member_id)
    else:
        _admit(group, attempt, attempt.new_member_id, now_ms, out)


def _admit(
    group: ClassicGroup, attempt: JoinAttempt, member_id: str, now_ms: int, out: Outcome
) -> None:
    """A new member: its JoinGroup is parked and everybody gathers."""
    member = Member(
        member_id=member_id,
        instance_id=attempt.request.group_instance_id,
        client_id=attempt.client_id,
        client_host=attempt.client_host,
        session_timeout_ms=attempt.request.session_timeout_ms,
        rebalance_timeout_ms=attempt.rebalance_timeout_ms(),
        protocols=attempt.protocols(),
        join_token=attempt.token,
    )
    group.add(member, attempt.request.protocol_type, now_ms)
    group.rebalance(now_ms, out)


def _join_again(group: ClassicGroup, attempt: JoinAttempt, now_ms: int, out: Outcome) -> None:
    request = attempt.request
    code = group.check_member(request.member_id, request.group_instance_id)
    if code is not ErrorCode.NONE:
        _refuse(attempt, code, out)
        return
    member = group.members[request.member_id]
    is_same = attempt.protocols() == tuple(member.protocols)
    is_leader = member.member_id == group.leader_id
    # In CompletingRebalance an unchanged member only lost our answer. In Stable the leader asks
    # for a rebalance by joining again (its view of the topics changed); a follower does not.
    keeps_generation = is_same and (
        group.is_in(S.COMPLETING_REBALANCE) or (group.is_in(S.STABLE) and not is_leader)
    )
    _park(member, attempt, out)
    if keeps_generation:
        answer_join(member, join_response(group, member), out, now_ms)
    else:
        group.rebalance(now_ms, out)


def _take_over(
    group: ClassicGroup, member: Member, attempt: JoinAttempt, now_ms: int, out: Outcome
) -> None:
    """A static member is back without its member id: it gets a new one and its former place.

    The former id is fenced from here on, also in what it has parked. In a Stable group whose
    protocol stays the same nothing else happens, and that fact is journaled.
    """
    refuse_parked(member, ErrorCode.FENCED_INSTANCE_ID, out)
    _park(member, attempt, out)
    if group.is_in(S.STABLE) and group.select_protocol() == group.protocol_name:
        _swap_in_place(group, member, attempt, now_ms, out)
        return
    group.rename(member, attempt.new_member_id)
    group.rebalance(now_ms, out)


def _swap_in_place(
    group: ClassicGroup, member: Member, attempt: JoinAttempt, now_ms: int, out: Outcome
) -> None:
    """Journal the new member id and answer with the running generation.

    A returning leader must not assign again. v9 says so to it; before, it is told the id it had,
    so that it takes itself for a follower.
    """
    was_leader = member.member_id == group.leader_id
    assignments = {m.member_id: m.assignment for m in group.members.values()}
    record = generation_record(group, assignments, group.since_ms)
    new_id = attempt.new_member_id
    out.records.append(record.renamed(member.member_id, new_id))
    response = replace(
        join_response(group, member),
        member_id=new_id,
        skip_assignment=was_leader and attempt.can_skip_assignment,
    )
    if was_leader and attempt.can_skip_assignment:
        members = tuple(
            replace(m, member_id=new_id) if m.member_id == member.member_id else m
            for m in response.members
        )
        response = replace(response, leader=new_id, members=members)
    else:
        response = replace(response, members=())
    answer_join(member, response, out, now_ms)


def _park(member: Member, attempt: JoinAttempt, out: Outcome) -> None:
    """Bring a known member up to date and keep its request; an earlier one is sent back."""
    if member.join_token is not None:
        busy = JoinGroupResponse(
            error_code=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id
        )
        out.replies.append((member.join_token, busy))
    member.join_token = attempt.token
    member.client_id, member.client_host = attempt.client_id, attempt.client_host
    member.session_timeout_ms = attempt.request.session_timeout_ms
    member.rebalance_timeout_ms = attempt.rebalance_timeout_ms()
    member.protocols = attempt.protocols()


def _refuse(
    attempt: JoinAttempt, code: ErrorCode, out: Outcome, *, member_id: str | None = None
) -> None:
    named = attempt.request.member_id if member_id is None else member_id
    out.replies.append((attempt.token, JoinGroupResponse(error_code=code, member_id=named)))
