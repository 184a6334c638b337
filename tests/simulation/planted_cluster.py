"""The twelve planted bugs of durability.md 10: each must show in some world.

Each replaces production code by what a plausible slip would have made of it. `first_seed` is where
it showed first, found by `python -m tests.simulation planted-cluster`; a test replays some.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from data_plane.broker import membership
from data_plane.broker.handlers import produce
from data_plane.log.sync import SyncState, SyncTicket
from data_plane.metadata import brokers, leadership
from data_plane.metadata.commit_rules import Judge
from data_plane.metadata.leadership import NO_LEADER
from data_plane.metadata.records import CommitMode, PartitionRecord, RestartKind
from data_plane.replication import partition as partition_module
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.planted_quorum import vote_not_persisted
from tests.simulation.quorum_world import QuorumWorld

Patch = pytest.MonkeyPatch


class PlantedInCluster(NamedTuple):
    """world: what shows it; the vote shows in the quorum's own worlds, which contest elections."""

    name: str
    plant: Callable[[Patch], None]
    first_seed: int = -1  # -1: nowhere yet
    world: type[ClusterWorld] | type[QuorumWorld] = ClusterWorld


def shown_by(planted: PlantedInCluster, seed: int) -> str | None:
    """What a world says of a bug that is planted already; None if it shows nothing."""
    try:
        planted.world(seed).run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def any_two_of_three(patch: Patch) -> None:
    """The high watermark follows whoever is fastest, whether it is in the ISR or not."""
    advance = Partition._advance

    def early(self: Partition) -> None:
        counted, everyone = self._counted, list(self.followers.values())
        fastest = max(everyone, key=lambda one: one.end_offset, default=None)
        self._counted = () if fastest is None else (fastest,)
        try:
            advance(self)
        finally:
            self._counted = counted

    patch.setattr(Partition, "_advance", early)


def last_known_leader(patch: Patch) -> None:
    """Where nobody of E is there, whoever is there leads."""
    led = leadership._led

    def somebody(row: PartitionRecord, judge: Judge, **more: Any) -> PartitionRecord:
        found = led(row, judge, **more)
        there = [one for one in row.replicas if one in judge.active]
        if found.leader != NO_LEADER or not there:
            return found
        changed = replace(found, isr=(there[0],), elr=(), leader=there[0], last_eligible=())
        return leadership._numbered(row, changed, has_new_epoch=True)

    patch.setattr(leadership, "_led", somebody)


def epoch_kept_across_restart(patch: Patch) -> None:
    """A leader that comes back after a power loss goes on as the one it was."""
    without: Callable[..., PartitionRecord] = leadership.without

    def as_if_nothing_was(
        row: PartitionRecord, judge: Judge, *, is_restarted: bool = False, **more: Any
    ) -> PartitionRecord:
        if is_restarted and more.get("dropped"):
            return row
        return without(row, judge, **more)

    patch.setattr(brokers, "without", as_if_nothing_was)


def stale_sync_ticket(patch: Patch) -> None:
    """A sync that began before a truncation counts for what was written after it."""
    complete = SyncState.complete

    def trusting(self: SyncState, ticket: SyncTicket) -> bool:
        self._generation, kept = ticket.generation, self._generation
        try:
            return complete(self, ticket)
        finally:
            self._generation = kept

    patch.setattr(SyncState, "complete", trusting)


def duplicate_acknowledged_early(patch: Patch) -> None:
    """A batch that is in the log already is answered at once."""
    when_committed = Partition.when_committed

    def early(self: Partition, offset: int, callback: Callable[[bool], None]) -> None:
        if offset < self.log.log_end_offset:
            callback(True)
        else:
            when_committed(self, offset, callback)

    patch.setattr(Partition, "when_committed", early)
    assert produce.API_KEY == 0, "both ways of a produce wait by when_committed"


def empty_log_in_isr(patch: Patch) -> None:
    """A broker that comes with another directory is taken for who it was."""
    restarted = brokers._restarted

    def forgetful(scope: Any, record: Any) -> Any:
        if record.restart_kind == RestartKind.NEW_DIRECTORY:
            record = replace(record, restart_kind=RestartKind.PROCESS_CRASH)
        return restarted(scope, record)

    patch.setattr(brokers, "_restarted", forgetful)


def serving_before_registration(patch: Patch) -> None:
    """It opens and serves by the image that it finds."""
    patch.setattr(membership.Membership, "is_done", property(lambda _: True))


def mode_without_barrier(patch: Patch) -> None:
    """From `spread` to `synced` at once, whatever is on disk."""
    ruled = leadership._ruled

    def at_once(row: PartitionRecord, judge: Judge) -> PartitionRecord:
        found = ruled(row, judge)
        if leadership.wanted_mode(row, judge) is CommitMode.SYNCED:
            return replace(found, commit_mode=CommitMode.SYNCED, elr=())
        return found

    patch.setattr(leadership, "_ruled", at_once)


def truncated_by_watermark(patch: Patch) -> None:
    """A follower of a new leader cuts back to its own high watermark, and asks for no epoch."""
    apply = Follower.apply

    def cut(self: Follower, row: PartitionRecord, mode: int) -> None:
        is_new = getattr(self, "leader_epoch", row.leader_epoch - 1) != row.leader_epoch
        apply(self, row, mode)
        if is_new and self.high_watermark < self.log.log_end_offset:
            self.log.truncate_to(self.high_watermark)

    patch.setattr(Follower, "apply", cut)


def expanded_before_caught_up(patch: Patch) -> None:
    """Whoever fetches is in sync."""
    patch.setattr(Partition, "_may_join", lambda _self, replica: replica.end_offset >= 0)


def zombie_leader_serves(patch: Patch) -> None:
    """A leader goes by the ISR that it wishes for, which no controller may have granted."""

    def wished(isr: tuple[int, ...], pending: tuple[int, ...] | None) -> frozenset[int]:
        return frozenset(isr if pending is None else pending)

    patch.setattr(partition_module, "members", wished)


BANK = (
    PlantedInCluster("ack on any two of three", any_two_of_three, 0),
    PlantedInCluster("last known leader elected", last_known_leader, 13),
    PlantedInCluster("epoch kept across restart", epoch_kept_across_restart, 4),
    PlantedInCluster("stale sync ticket", stale_sync_ticket),
    PlantedInCluster("duplicate acknowledged early", duplicate_acknowledged_early, 2),
    PlantedInCluster("empty log recreated in ISR", empty_log_in_isr, 17),
    PlantedInCluster("serving before own registration", serving_before_registration, 0),
    PlantedInCluster("mode switched without barrier", mode_without_barrier, 0),
    PlantedInCluster("vote not persisted", vote_not_persisted, 25, QuorumWorld),
    PlantedInCluster("truncate by high watermark instead of epoch", truncated_by_watermark, 1),
    PlantedInCluster("ISR expanded before caught up", expanded_before_caught_up, 2),
    PlantedInCluster("zombie leader serves", zombie_leader_serves, 2),
)
