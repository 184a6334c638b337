"""SyncGroup, Heartbeat and LeaveGroup in a classic group, and the check of a committing member."""

from collections.abc import Sequence
from typing import NamedTuple

from data_plane.coordinator.classic_answers import Outcome, answer_syncs, sync_response
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_journal import generation_record
from data_plane.coordinator.classic_member import GroupState, Member
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

S = GroupState


def sync(
    group: ClassicGroup, request: SyncGroupRequest, token: object, now_ms: int, out: Outcome
) -> None:
    """Park the caller until the leader has synced, or answer it with its own assignment."""
    code = _check_sync(group, request)
    if code is not ErrorCode.NONE:
        out.replies.append((token, SyncGroupResponse(error_code=code)))
        return
    member = group.members[request.member_id]
    member.owes_sync = False
    member.touch(now_ms)
    if group.is_in(S.STABLE):
        out.replies.append((token, sync_response(group, member.assignment)))
        return
    _park(member, token, out)
    if member.member_id == group.leader_id:
        assignments = {a.member_id: bytes(a.assignment) for a in request.assignments}
        record = generation_record(group, assignments, now_ms)
        if record.size_bytes > group.config.group_record_bytes_max:
            # It could not be journaled, so it may not be handed out: everybody is told, and the
            # group gathers anew, perhaps with a smaller assignment.
            answer_syncs(group, out, ErrorCode.UNKNOWN_SERVER_ERROR, now_ms)
            group.rebalance(now_ms, out)
            return
        out.records.append(record)
        _hand_out(group, assignments, now_ms, out)


def _check_sync(group: ClassicGroup, request: SyncGroupRequest) -> ErrorCode:
    code = group.check_member(request.member_id, request.group_instance_id)
    if code is not ErrorCode.NONE:
        return code
    if request.generation_id != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    # v5 says which protocol it believes in (KIP-559); older requests leave both out.
    if request.protocol_type not in (None, group.protocol_type):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.is_in(S.PREPARING_REBALANCE):
        return ErrorCode.REBALANCE_IN_PROGRESS
    if request.protocol_name not in (None, group.protocol_name):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    return ErrorCode.NONE


def _park(member: Member, token: object, out: Outcome) -> None:
    if member.sync_token is not None:
        busy = SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS)
        out.replies.append((member.sync_token, busy))
    member.sync_token = token


def _hand_out(
    group: ClassicGroup, assignments: dict[str, bytes], now_ms: int, out: Outcome
) -> None:
    """Answer everybody who waits, each with its own bytes; empty ones for who is not listed."""
    for member in group.members.values():
        if member.sync_token is not None:
            response = sync_response(group, assignments.get(member.member_id, b""))
            out.replies.append((member.sync_token, response))
            member.sync_token = None
            member.touch(now_ms)


def heartbeat(
    group: ClassicGroup, member_id: str, instance_id: str | None, generation: int, now_ms: int
) -> ErrorCode:
    """Keep a member's session alive; REBALANCE_IN_PROGRESS calls it to the gathering."""
    code = group.check_member(member_id, instance_id)
    if code is not ErrorCode.NONE:
        return code
    if generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    group.members[member_id].touch(now_ms)
    if group.is_in(S.PREPARING_REBALANCE):
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


class Leaving(NamedTuple):
    """Who leaves: a member by its id, or a static member by its instance id alone."""

    member_id: str
    instance_id: str | None = None


def leave(
    group: ClassicGroup, leaving: Sequence[Leaving], now_ms: int, out: Outcome
) -> tuple[ErrorCode, ...]:
    """Take several members out at once (KIP-345); one code for each, in order."""
    had = len(group.members)
    codes = tuple(_leave_one(group, who, out) for who in leaving)
    if len(group.members) < had:
        group.rebalance(now_ms, out)
    elif group.is_in(S.PREPARING_REBALANCE):  # an id that is not used any more held it up
        group.complete_join_if_ready(now_ms, out)
    return codes


def _leave_one(group: ClassicGroup, who: Leaving, out: Outcome) -> ErrorCode:
    if who.member_id in group.pending_ids:
        del group.pending_ids[who.member_id]
        return ErrorCode.NONE
    member_id = who.member_id
    if not member_id and who.instance_id is not None:  # an operator removes it by name
        member_id = group.static_ids.get(who.instance_id, "")
    code = group.check_member(member_id, who.instance_id)
    if code is ErrorCode.NONE:
        group.remove(group.members[member_id], out)
    return code


def check_commit(
    group: ClassicGroup,
    member_id: str,
    instance_id: str | None,
    generation: int,
    now_ms: int,
    *,
    is_transactional: bool = False,
) -> ErrorCode:
    """May this caller commit offsets? Members of the generation may, anybody may if it is Empty.

    In PreparingRebalance commits are welcome: that is when members hand over their partitions. In
    CompletingRebalance the generation is new and nobody owns anything in it yet. A producer's
    transaction may commit without naming a member (KIP-447: older clients cannot), and in
    CompletingRebalance too: it is fenced by its transactional id or by the generation.
    """
    if generation < 0 and group.is_in(S.EMPTY):
        return ErrorCode.NONE
    if generation < 0 and not member_id and instance_id is None:
        if is_transactional:
            return ErrorCode.NONE
        return ErrorCode.UNKNOWN_MEMBER_ID  # a simple consumer beside a living group
    code = group.check_member(member_id, instance_id)
    if code is not ErrorCode.NONE:
        return code
    if generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    if group.is_in(S.COMPLETING_REBALANCE) and not is_transactional:
        return ErrorCode.REBALANCE_IN_PROGRESS
    group.members[member_id].touch(now_ms)
    return ErrorCode.NONE
