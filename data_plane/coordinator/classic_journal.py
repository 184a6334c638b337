"""What a classic group is in the log, and how it comes back: rule 1 of classic_group.py."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from data_plane.coordinator.classic_member import GroupState, Member
from data_plane.coordinator.group_records import GroupChanged, GroupMember

if TYPE_CHECKING:
    from data_plane.coordinator.classic_group import ClassicGroup


def generation_record(
    group: "ClassicGroup",
    assignments: dict[str, bytes],
    now_ms: int,
    *,
    generation: int | None = None,
) -> GroupChanged:
    """The record of this generation; members not in `assignments` get empty bytes."""
    return GroupChanged(
        group_id=group.group_id,
        protocol_type=group.protocol_type or "",
        generation=group.generation if generation is None else generation,
        protocol_name=group.protocol_name,
        leader_id=group.leader_id,
        since_ms=now_ms,
        members=tuple(
            GroupMember(
                member_id=member.member_id,
                instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout_ms=member.rebalance_timeout_ms,
                session_timeout_ms=member.session_timeout_ms,
                subscription=member.metadata_for(group.protocol_name),
                assignment=assignments.get(member.member_id, b""),
            )
            for member in group.members.values()
        ),
    )


def restore(group: "ClassicGroup", record: GroupChanged, *, is_live: bool) -> None:
    """Become what a record says: the only way into Stable and Empty, live and on load.

    Live, members keep their soft state, and a static member found under another id is renamed.
    On load each record tells all there is to know, and `finish_load` starts the sessions.
    """
    group.state = GroupState.STABLE if record.members else GroupState.EMPTY
    group.since_ms = record.since_ms
    group.generation = record.generation
    group.protocol_type = record.protocol_type or None
    group.protocol_name = record.protocol_name
    group.leader_id = record.leader_id
    known = group.members if is_live else {}
    group.members = {}
    for entry in record.members:
        former_id = entry.member_id
        if entry.instance_id is not None:
            former_id = group.static_ids.get(entry.instance_id, entry.member_id)
        member = known.get(entry.member_id) or known.get(former_id)
        if member is None:
            member = member_from_record(entry, record.protocol_name)
        member.member_id, member.assignment = entry.member_id, entry.assignment
        group.members[entry.member_id] = member
    group.static_ids = {
        member.instance_id: member_id
        for member_id, member in group.members.items()
        if member.instance_id is not None
    }


def finish_load(group: "ClassicGroup", now_ms: int) -> None:
    """Give everybody a whole session to be heard of again.

    A generation that nobody has led is a KIP-848 group's rest that has not gathered (migration.py).
    """
    for member in group.members.values():
        member.touch(now_ms)
    if group.members and group.leader_id is None:
        group.gather_due_ms = now_ms


def member_from_record(entry: GroupMember, protocol_name: str | None) -> Member:
    """A member as the log knows it: only the metadata of the selected protocol was kept."""
    protocols: Sequence[tuple[str, bytes]] = ((protocol_name or "", entry.subscription),)
    return Member(
        member_id=entry.member_id,
        instance_id=entry.instance_id,
        client_id=entry.client_id,
        client_host=entry.client_host,
        session_timeout_ms=entry.session_timeout_ms,
        rebalance_timeout_ms=entry.rebalance_timeout_ms,
        protocols=protocols,
    )
