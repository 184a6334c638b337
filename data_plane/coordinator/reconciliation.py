"""One member's way from what it owns to its target, step by step (theory: consumer_group.py)."""

from collections.abc import Callable

from data_plane.coordinator.consumer_group_records import (
    Assignment,
    Current,
    MemberState,
    TopicIdPartition,
)


def reconciled(
    current: Current,
    target: Assignment,
    target_epoch: int,
    *,
    owned: Assignment | None,
    is_free: Callable[[TopicIdPartition], bool],
) -> Current:
    """The member's next step towards its target; see consumer_group.py.

    owned: what the member says it owns; None: it does not say, so it may own all it was given.
    is_free: nobody holds the partition.
    """
    if current.state is MemberState.STABLE and current.epoch == target_epoch:
        return current
    if current.state is MemberState.UNREVOKED and (owned is None or owned & current.revoking):
        return current  # It has not given it up yet.
    kept = current.assigned & target
    revoking = current.assigned - kept
    if revoking and (owned is None or owned & revoking):
        # Who has just given something up moves on by an epoch: its commits from before are old.
        epoch = current.epoch + (current.state is MemberState.UNREVOKED)
        return Current(
            current.group_id,
            current.member_id,
            epoch,
            current.epoch,
            MemberState.UNREVOKED,
            kept,
            revoking,
            current.since_at(epoch, current.assigned),
        )
    wanted = target - kept
    freed = current.revoking | revoking  # Held by this member itself until now.
    given = frozenset(at for at in wanted if at in freed or is_free(at))
    state = MemberState.STABLE if given == wanted else MemberState.UNRELEASED
    return Current(
        current.group_id,
        current.member_id,
        target_epoch,
        current.epoch,
        state,
        kept | given,
        since=current.since_at(target_epoch, kept),
    )
