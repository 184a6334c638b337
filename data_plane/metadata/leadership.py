"""One partition's next state: who is in sync, who may lead, who leads (durability.md 1, 3).

Words: E = ISR and ELR together, all of whom hold every record below the high watermark. A
partition is led, or it has no leader; without one its ISR is empty and E is its ELR.

 - While a `spread` partition is led, its high watermark moves only under W(I), so who leaves the
   ISR when W(I) fails stays in E (KIP-966). In the other modes the high watermark moves for the
   remaining ISR alone, so E is the ISR.
 - Leaders come from E, in the order of the replicas, the ISR first. When nobody of E can lead,
   the partition waits; `last_eligible` keeps who was E when there was a leader last.
 - Every change raises the partition epoch by one; a new leader, or a member that was put out of
   the ISR by the controller, raises the leader epoch.

Each function returns the record that it was given if nothing changes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from data_plane.metadata.commit_rules import Judge
from data_plane.metadata.records import CommitMode, PartitionRecord

NO_LEADER = -1
NOBODY: frozenset[int] = frozenset()

ReplicaEnd = tuple[int, int]  # (last leader epoch, end offset) of a log
NO_ENDS: Mapping[int, ReplicaEnd] = MappingProxyType({})
UNKNOWN_END: ReplicaEnd = (-1, -1)


def eligible(row: PartitionRecord) -> tuple[int, ...]:
    """E, in the order of the replicas where it matters who is first."""
    members = {*row.isr, *row.elr}
    return tuple(each for each in row.replicas if each in members)


def without(
    row: PartitionRecord,
    judge: Judge,
    *,
    lost: Collection[int] = NOBODY,
    dropped: Collection[int] = NOBODY,
    erased: Collection[int] = NOBODY,
    is_restarted: bool = False,
) -> PartitionRecord:
    """Take members out of the ISR, and elect if the leader is among them.

    lost: they stopped, and may hold all they held. dropped: they may have lost records that were
    not synced. erased: their log is gone. is_restarted: the leader is another incarnation, which
    needs an epoch of its own even if it goes on.
    """
    out = {*lost, *dropped, *erased}
    isr = tuple(each for each in row.isr if each not in out)
    candidates = tuple(each for each in eligible(row) if each not in {*dropped, *erased})
    last = row.last_eligible if row.leader == NO_LEADER else eligible(row)
    last = tuple(each for each in last if each not in erased)
    leader = row.leader if row.leader in isr else _first(judge, row.replicas, isr)
    return _led(
        row,
        judge,
        leader=leader,
        isr=isr,
        candidates=candidates,
        last=last,
        has_new_epoch=is_restarted or len(isr) < len(row.isr),
    )


def told_lost(row: PartitionRecord, judge: Judge, broker_id: int) -> PartitionRecord:
    """A replica says that its log is lost, or not what was written.

    Where somebody else leads, the leader epoch is raised in any case: in a newer epoch nobody
    counts on what that replica had told of itself, so it may begin anew, empty (decision 0049).
    """
    after = without(row, judge, erased={broker_id})
    if after.leader in (NO_LEADER, broker_id) or after.leader_epoch > row.leader_epoch:
        return after
    return replace(
        after, leader_epoch=row.leader_epoch + 1, partition_epoch=row.partition_epoch + 1
    )


def told_damaged(row: PartitionRecord, judge: Judge, broker_id: int) -> PartitionRecord:
    """A replica says that some of its log is not what was written: as lost, if another one in sync
    can serve. Else it keeps what it is, for one bad batch is no reason to give up all others.

    That is for the controller to say: who is in sync may have changed since the replica looked.
    """
    others = judge.active & set(row.isr) - {broker_id}
    return told_lost(row, judge, broker_id) if others else row


def kept_in_sync(row: PartitionRecord, after: PartitionRecord, judge: Judge) -> PartitionRecord:
    """`after`, a change that put a member out of the ISR, without that: it counts as before."""
    if after.leader == row.leader:
        return row
    if after.is_recovering and not row.is_recovering:
        return after
    isr = tuple(each for each in row.replicas if each in (*row.isr, *after.isr))
    # With so many in it the watermark may move again, and leaves the rest behind.
    kept = replace(after, isr=isr)
    return replace(kept, elr=_elr(kept, judge, [one for one in after.elr if one not in isr]))


def elected(row: PartitionRecord, judge: Judge) -> PartitionRecord:
    """Give a partition without leader one of E, or of all where the topic allows to lose records.

    Who was the only member of the last E needs no comparison with others.
    """
    if row.leader != NO_LEADER:
        return row
    return without(row, judge)


def elected_by_ends(
    row: PartitionRecord, judge: Judge, ends: Mapping[int, ReplicaEnd]
) -> PartitionRecord:
    """E is empty: once all of the last E are back, the one whose log reaches furthest leads.

    ends: what the present incarnations said, by broker. The partition is RECOVERING then.
    """
    if row.leader != NO_LEADER or eligible(row) or not row.last_eligible:
        return row
    if not all(each in judge.active and each in ends for each in row.last_eligible):
        return row
    leader = max(row.last_eligible, key=lambda each: (*ends[each], -row.last_eligible.index(each)))
    return _unclean(row, leader)


def led_uncleanly(
    row: PartitionRecord, judge: Judge, ends: Mapping[int, ReplicaEnd] = NO_ENDS
) -> PartitionRecord:
    """An operator's choice: of those who are there the one whose log reaches furthest leads.

    What the others had more is lost. ends: what the present incarnations said, by broker; where
    nobody said anything the order of the replicas decides.
    """
    there = [each for each in row.replicas if each in judge.active]
    if not there:
        return row
    return _unclean(row, max(there, key=lambda each: ends.get(each, UNKNOWN_END)))


def led_by(row: PartitionRecord, leader: int, judge: Judge) -> PartitionRecord:
    """A member of the ISR takes over; a leader that is shutting down leaves the ISR with that."""
    isr = tuple(each for each in row.isr if each != row.leader or each in judge.active)
    changed = replace(row, isr=isr, leader=leader)
    rest = [each for each in eligible(row) if each not in isr]
    return _numbered(row, replace(changed, elr=_elr(changed, judge, rest)), has_new_epoch=False)


def with_isr(
    row: PartitionRecord, isr: Sequence[int], judge: Judge, *, mode: int | None = None
) -> PartitionRecord:
    """The leader's wish: another ISR, and the mode whose barrier it has passed."""
    members = tuple(isr)
    changes: dict[str, Any] = {"isr": members}
    if set(members) >= set(row.target_replicas):
        changes["is_recovering"] = False
    if mode is not None:
        changes["commit_mode"] = mode
    changed = replace(row, **changes)
    before = eligible(row)
    changed = replace(
        changed, elr=_elr(changed, judge, [each for each in before if each not in members])
    )
    return _numbered(row, _moved(_ruled(changed, judge), judge), has_new_epoch=False)


def ruled_by(row: PartitionRecord, judge: Judge) -> PartitionRecord:
    """The same partition under rules that may have changed, in the transaction that changes them.

    Where W(I) holds from now on the high watermark moves again, so the ELR goes with the change.
    From `spread` to `synced`, and from `replicated` where there are followers, leads a barrier
    that only the leader can pass (durability.md 1); those wait for its AlterPartition.
    """
    return _numbered(row, _ruled(row, judge), has_new_epoch=False)


def moved(row: PartitionRecord, judge: Judge) -> PartitionRecord:
    """End a move whose target is in sync (KIP-455)."""
    return _numbered(row, _moved(row, judge), has_new_epoch=False)


def wanted_mode(row: PartitionRecord, judge: Judge) -> CommitMode:
    """What the partition is to go over to; while it moves, for where it will be."""
    return judge.wanted_mode(row.target_replicas)


def _ruled(row: PartitionRecord, judge: Judge) -> PartitionRecord:
    wanted = wanted_mode(row, judge)
    is_free = wanted is CommitMode.REPLICATED or (
        wanted is CommitMode.SYNCED
        and row.commit_mode == CommitMode.REPLICATED
        and len(row.replicas) == 1
    )
    is_covered = row.leader != NO_LEADER and judge.covers(row.isr, row.replicas)
    if is_free or (wanted is CommitMode.SPREAD and is_covered):
        row = replace(row, commit_mode=wanted)
    if row.leader != NO_LEADER:
        row = replace(row, elr=_elr(row, judge, row.elr))
    return row


def _moved(row: PartitionRecord, judge: Judge) -> PartitionRecord:
    target = row.target_replicas
    if not row.is_moving or not set(row.isr) >= set(target):
        return row
    if row.commit_mode == CommitMode.SPREAD and wanted_mode(row, judge) is CommitMode.SYNCED:
        return row  # The leader has all of it synced first: its target is on one machine.
    isr = tuple(each for each in row.isr if each in target)
    leader = row.leader if row.leader in isr else _first(judge, target, isr)
    if leader == NO_LEADER:
        return row
    done = replace(
        row,
        replicas=target,
        isr=isr,
        leader=leader,
        adding_replicas=(),
        removing_replicas=(),
    )
    return replace(done, elr=_elr(done, judge, [each for each in row.elr if each in target]))


def _led(
    row: PartitionRecord,
    judge: Judge,
    *,
    leader: int,
    isr: tuple[int, ...],
    candidates: tuple[int, ...],
    last: tuple[int, ...],
    has_new_epoch: bool,
) -> PartitionRecord:
    if leader == NO_LEADER:
        leader = _first(judge, row.replicas, candidates)
        isr = () if leader == NO_LEADER else (leader,)
    if leader == NO_LEADER:
        if judge.rules.may_lose_records:
            chosen = led_uncleanly(row, judge)
            if chosen is not row:
                return chosen
        if not candidates and len(last) == 1 and last[0] in judge.active:
            return _unclean(row, last[0])
        changed = replace(row, isr=(), elr=candidates, leader=NO_LEADER, last_eligible=last)
        return _numbered(row, changed, has_new_epoch=False)
    changed = replace(row, isr=isr, leader=leader, last_eligible=())
    changed = replace(
        changed, elr=_elr(changed, judge, [each for each in candidates if each not in isr])
    )
    return _numbered(row, changed, has_new_epoch=has_new_epoch)


def _elr(row: PartitionRecord, judge: Judge, rest: Sequence[int]) -> tuple[int, ...]:
    """Who stays eligible of those that hold all below the high watermark but are not in sync."""
    if row.commit_mode != CommitMode.SPREAD or judge.covers(row.isr, row.replicas):
        return ()
    return tuple(rest)


def _unclean(row: PartitionRecord, leader: int) -> PartitionRecord:
    changed = replace(
        row, isr=(leader,), elr=(), leader=leader, last_eligible=(), is_recovering=True
    )
    return _numbered(row, changed, has_new_epoch=True)


def _first(judge: Judge, order: Sequence[int], members: Collection[int]) -> int:
    for each in order:
        if each in members and each in judge.active:
            return each
    return NO_LEADER


def _numbered(
    before: PartitionRecord, after: PartitionRecord, *, has_new_epoch: bool
) -> PartitionRecord:
    if not has_new_epoch and after == before:
        return before
    return replace(
        after,
        leader_epoch=before.leader_epoch + int(has_new_epoch or needs_epoch(before, after)),
        partition_epoch=before.partition_epoch + 1,
    )


def needs_epoch(before: PartitionRecord, after: PartitionRecord) -> bool:
    """Another leader, or one replica less, which must not be taken for one when it comes back.

    Who has not heard yet that it is none fetches on, and deletes its log once it hears: it may not
    have come into the ISR again by then. Source: Kafka's PartitionChangeBuilder.
    """
    return after.leader != before.leader or not set(after.replicas) >= set(before.replicas)
