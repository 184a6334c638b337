"""Bugs planted into leaders, followers and the controller: the twelve of durability.md 10 first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from data_plane.broker import membership
from data_plane.broker.replica_fetch import ReplicaFetch
from data_plane.log.leader_epochs import EpochEnd
from data_plane.log.sync import SyncState, SyncTicket
from data_plane.metadata import brokers, duties, isr_changes, leadership
from data_plane.metadata.broker_sessions import BrokerSessions
from data_plane.metadata.commit_rules import Judge, Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import NO_LEADER
from data_plane.metadata.records import CommitMode, PartitionRecord, RestartKind
from data_plane.protocol.errors import NotLeaderOrFollower
from data_plane.protocol.messages.fetch import FetchResponsePartition
from data_plane.replication import partition as partition_module
from data_plane.replication.fetcher import Fetcher
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition
from data_plane.replication.replicas import Replica
from data_plane.replication.waiting import OffsetWaiters
from tests.simulation.planted_quorum import vote_not_persisted
from tests.simulation.plants import Plant, Planted
from tests.simulation.worlds import QUORUM

# --- the twelve of durability.md 10 --------------------------------------------------------------


def any_two_of_three(plant: Plant) -> None:
    """The high watermark follows whoever is fastest, whether it is in the ISR or not."""
    advance = Partition._advance

    def early(self: Partition) -> None:
        counted, everyone = self._counted, list(self.followers.values())
        fastest = max(everyone, key=lambda one: one.end_offset, default=None)
        self._counted = () if fastest is None else (fastest,)
        if self._counted != counted:
            plant.bites()
        try:
            advance(self)
        finally:
            self._counted = counted

    plant.replace(Partition, "_advance", early)


def last_known_leader(plant: Plant) -> None:
    """Where nobody of E is there, whoever is there leads."""
    led = leadership._led

    def somebody(row: PartitionRecord, judge: Judge, **more: Any) -> PartitionRecord:
        found = led(row, judge, **more)
        there = [one for one in row.replicas if one in judge.active]
        if found.leader != NO_LEADER or not there:
            return found
        plant.bites()
        changed = replace(found, isr=(there[0],), elr=(), leader=there[0], last_eligible=())
        return leadership._numbered(row, changed, has_new_epoch=True)

    plant.replace(leadership, "_led", somebody)


def epoch_kept_across_restart(plant: Plant) -> None:
    """A leader that comes back after a power loss goes on as the one it was."""
    without: Callable[..., PartitionRecord] = leadership.without

    def as_if_nothing_was(
        row: PartitionRecord, judge: Judge, *, is_restarted: bool = False, **more: Any
    ) -> PartitionRecord:
        if is_restarted and more.get("dropped"):
            plant.bites()
            return row
        return without(row, judge, is_restarted=is_restarted, **more)

    plant.replace(brokers, "without", as_if_nothing_was)


def stale_sync_ticket(plant: Plant) -> None:
    """A sync that began before a truncation counts for what was written after it."""
    complete = SyncState.complete

    def trusting(self: SyncState, ticket: SyncTicket) -> bool:
        if ticket.generation != self._generation:
            plant.bites()
        self._generation, kept = ticket.generation, self._generation
        try:
            return complete(self, ticket)
        finally:
            self._generation = kept

    plant.replace(SyncState, "complete", trusting)


def duplicate_acknowledged_early(plant: Plant) -> None:
    """A batch that is in the log already is answered at once."""
    when_committed = Partition.when_committed

    def early(self: Partition, offset: int, callback: Callable[[bool], None]) -> None:
        if self.high_watermark < offset < self.log.log_end_offset:
            plant.bites()
            callback(True)
        else:
            when_committed(self, offset, callback)

    plant.replace(Partition, "when_committed", early)


def empty_log_in_isr(plant: Plant) -> None:
    """A broker that comes with another directory is taken for who it was."""
    _restarted_as(plant, RestartKind.NEW_DIRECTORY)


def _restarted_as(plant: Plant, kind: int) -> None:
    """What a registration says of its restart is taken for a crash of the process alone."""
    restarted = brokers._restarted

    def forgetful(scope: Any, record: Any, unheard: Any) -> Any:
        if record.restart_kind == kind:
            plant.bites()
            record = replace(record, restart_kind=RestartKind.PROCESS_CRASH)
        return restarted(scope, record, unheard)

    plant.replace(brokers, "_restarted", forgetful)


def serving_before_registration(plant: Plant) -> None:
    """It opens and serves by the image that it finds."""
    is_done: property = vars(membership.Membership)["is_done"]

    def at_once(self: membership.Membership) -> bool:
        if not is_done.__get__(self):
            plant.bites()
        return True

    plant.replace(membership.Membership, "is_done", property(at_once))


def mode_without_barrier(plant: Plant) -> None:
    """From `spread` to `synced` at once, whatever is on disk."""
    ruled = leadership._ruled

    def at_once(row: PartitionRecord, judge: Judge) -> PartitionRecord:
        found = ruled(row, judge)
        if leadership.wanted_mode(row, judge) is not CommitMode.SYNCED:
            return found
        if found.commit_mode != CommitMode.SYNCED:
            plant.bites()
        return replace(found, commit_mode=CommitMode.SYNCED, elr=())

    plant.replace(leadership, "_ruled", at_once)


def truncated_by_watermark(plant: Plant) -> None:
    """A follower of a new leader cuts back to its own high watermark, and asks for no epoch."""
    apply = Follower.apply

    def cut(self: Follower, row: PartitionRecord, mode: int) -> None:
        is_new = getattr(self, "leader_epoch", row.leader_epoch - 1) != row.leader_epoch
        apply(self, row, mode)
        if is_new and self.high_watermark < self.log.log_end_offset:
            plant.bites()
            self.log.truncate_to(self.high_watermark)

    plant.replace(Follower, "apply", cut)


def expanded_before_caught_up(plant: Plant) -> None:
    """Whoever fetches is in sync."""
    may_join = Partition._may_join

    def lenient(self: Partition, replica: Replica) -> bool:
        if not may_join(self, replica):
            plant.bites()
        return replica.end_offset >= 0

    plant.replace(Partition, "_may_join", lenient)


def zombie_leader_serves(plant: Plant) -> None:
    """A leader goes by the ISR that it wishes for, which no controller may have granted."""

    def wished(isr: Sequence[int], pending: Sequence[int] | None) -> frozenset[int]:
        if pending is not None and not set(pending) >= set(isr):
            plant.bites()
        return frozenset(isr if pending is None else pending)

    plant.replace(partition_module, "members", wished)


# --- leaders -------------------------------------------------------------------------------------


def acknowledged_before_sync(plant: Plant) -> None:
    """`synced` goes by what is written, as the other modes do."""
    advance = Partition._advance

    def early(self: Partition) -> None:
        mode = self.commit_mode
        if mode == CommitMode.SYNCED:
            if self.log.synced_offset < self.log.log_end_offset:
                plant.bites()
            self.commit_mode = CommitMode.REPLICATED
        try:
            advance(self)
        finally:
            self.commit_mode = mode

    plant.replace(Partition, "_advance", early)


def pending_members_not_counted(plant: Plant) -> None:
    """M is I: who is about to come in holds nothing up."""

    def committed(isr: Sequence[int], pending: Sequence[int] | None) -> frozenset[int]:
        if not set(isr) >= set(pending or ()):
            plant.bites()
        return frozenset(isr)

    plant.replace(partition_module, "members", committed)


def plain_fetch_counted_as_synced(plant: Plant) -> None:
    """What a follower holds is taken for what it has on disk, whatever session says so."""
    fetched = Replica.fetched

    def trusting(self: Replica, offset: int, *, is_synced: bool, **more: Any) -> None:
        if not is_synced:
            plant.bites()
        fetched(self, offset, is_synced=True, **more)

    plant.replace(Replica, "fetched", trusting)


def earlier_incarnation_counted(plant: Plant) -> None:
    """A fetch of a broker's life before counts for the one it has now (KIP-903)."""

    def lenient(self: Partition, broker_id: int, broker_epoch: int) -> Replica:
        found = self.followers.get(broker_id)
        if found is None:
            raise NotLeaderOrFollower
        if broker_epoch < found.broker_epoch:
            plant.bites()
        found.broker_epoch = max(found.broker_epoch, broker_epoch)
        return found

    plant.replace(Partition, "replica", lenient)
    plant.replace(ReplicaFetch, "_epoch", lambda self: self.call.replica_epoch)


def fetch_of_any_epoch(plant: Plant) -> None:
    """A follower is served whatever leader epoch it believes in."""

    def lenient(self: Partition, leader_epoch: int) -> None:
        if leader_epoch != self.leader_epoch:
            plant.bites()

    plant.replace(Partition, "check_replica_epoch", lenient)


def divergence_not_told(plant: Plant) -> None:
    """A follower goes on where its log ends, whoever wrote what is there."""
    diverging = Partition.diverging

    def silent(self: Partition, wanted: Any) -> EpochEnd | None:
        if diverging(self, wanted) is not None:
            plant.bites()
        return None

    plant.replace(Partition, "diverging", silent)


def own_log_taken_for_committed(plant: Plant) -> None:
    """A new leader begins with its log's end as its high watermark."""
    begin = Partition.__init__

    def sure(self: Partition, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        if self.high_watermark < self.log.log_end_offset:
            plant.bites()
            self.high_watermark = self.log.log_end_offset

    plant.replace(Partition, "__init__", sure)


def follower_takes_its_end(plant: Plant) -> None:
    """A follower takes all that it has for committed."""
    note = Follower._note

    def sure(self: Follower, row: FetchResponsePartition) -> None:
        note(self, row)
        if self.high_watermark < self.log.log_end_offset:
            plant.bites()
            self.high_watermark = self.log.log_end_offset

    plant.replace(Follower, "_note", sure)


def lost_leadership_acknowledges(plant: Plant) -> None:
    """Who waits for a commit is told of success when the partition is led elsewhere."""

    def happy(self: OffsetWaiters) -> None:
        waiting, self._heap = sorted(self._heap, key=lambda item: item[:2]), []
        for _, _, callback in waiting:
            plant.bites()
            callback(True)

    plant.replace(OffsetWaiters, "fail", happy)


def read_above_watermark(plant: Plant) -> None:
    """Consumers read to the log's end."""

    def all_of_it(self: Partition, *, is_committed: bool) -> int:
        if self.high_watermark < self.log.log_end_offset:
            plant.bites()
        return self.log.log_end_offset

    plant.replace(Partition, "limit", all_of_it)


# --- followers -----------------------------------------------------------------------------------


def fetched_before_own_sync(plant: Plant) -> None:
    """A `synced` follower asks for more before its own group commit."""
    step = Fetcher.step

    def hasty(self: Fetcher, now_ms: int) -> None:
        if any(not (one.is_gone or one.is_synced) for one in self._unsynced):
            plant.bites()
        self._unsynced = []
        step(self, now_ms)

    plant.replace(Fetcher, "step", hasty)


# --- the controller ------------------------------------------------------------------------------


def eligible_never_cleared(plant: Plant) -> None:
    """Who has left the ISR stays eligible, though the high watermark moves without it."""

    def kept(row: PartitionRecord, judge: Judge, rest: Sequence[int]) -> tuple[int, ...]:
        if row.commit_mode != CommitMode.SPREAD:
            return ()
        if rest and judge.covers(row.isr, row.replicas):
            plant.bites()
        return tuple(rest)

    plant.replace(leadership, "_elr", kept)


def power_loss_taken_for_crash(plant: Plant) -> None:
    """A broker that may have lost what it had not synced stays eligible."""
    _restarted_as(plant, RestartKind.POWER_LOSS)


def isr_changed_by_any_epoch(plant: Plant) -> None:
    """AlterPartition compares who leads, and no epoch."""
    check = isr_changes._check_epochs

    def lenient(row: PartitionRecord, asked: Any, leader: int) -> None:
        if (asked.leader_epoch, asked.partition_epoch) != (row.leader_epoch, row.partition_epoch):
            plant.bites()
        own = replace(asked, leader_epoch=row.leader_epoch, partition_epoch=row.partition_epoch)
        check(row, own, leader)

    plant.replace(isr_changes, "_check_epochs", lenient)


def preferred_leader_out_of_sync(plant: Plant) -> None:
    """Partitions go back to their preferred replicas as soon as those are there."""

    def at_once(scope: ConfigScope) -> Decision[None]:
        judges = Judges(scope)
        rows = [
            (row, judges.of(topic.name))
            for topic, row in scope.image.partitions()
            if row.leader not in (NO_LEADER, row.replicas[0]) and row.replicas[0] in judges.active
        ]
        for row, _ in rows:
            if row.replicas[0] not in row.isr:
                plant.bites()
        return Decision(None, [leadership.led_by(row, row.replicas[0], j) for row, j in rows])

    plant.replace(duties, "decide_balance", at_once)


def moved_before_in_sync(plant: Plant) -> None:
    """A move ends as soon as one of its target is in sync, and the old replicas go."""
    moved = leadership._moved

    def hasty(row: PartitionRecord, judge: Judge) -> PartitionRecord:
        target = row.target_replicas
        if row.is_moving and set(row.isr) & set(target) and not set(row.isr) >= set(target):
            plant.bites()
            return replace(moved(replace(row, isr=target), judge), isr=target)
        return moved(row, judge)

    plant.replace(leadership, "_moved", hasty)


def last_to_stop_left_alone(plant: Plant) -> None:
    """Who wishes to stop hands over, though all others wish the same."""
    all_stop = BrokerSessions.all_stop

    def never(sessions: BrokerSessions, image: MetadataImage) -> bool:
        if all_stop(sessions, image):
            plant.bites()
            sessions._all_stop = False
        return False

    plant.replace(BrokerSessions, "all_stop", never)


BANK = (
    Planted("ack on any two of three", any_two_of_three),
    Planted("last known leader elected", last_known_leader, aim="leader left alone"),
    Planted("epoch kept across restart", epoch_kept_across_restart, aim="power lost ahead"),
    Planted(
        "stale sync ticket",
        stale_sync_ticket,
        aim="leader lost ahead",
    ),
    Planted("duplicate acknowledged early", duplicate_acknowledged_early, aim="leader lost ahead"),
    Planted("empty log recreated in ISR", empty_log_in_isr, aim="empty directory in E"),
    Planted("serving before own registration", serving_before_registration),
    Planted("mode switched without barrier", mode_without_barrier, aim="mode changed, one slow"),
    Planted("vote not persisted", vote_not_persisted, QUORUM, aim="vote lost"),
    Planted("truncate by high watermark instead of epoch", truncated_by_watermark),
    Planted(
        "ISR expanded before caught up", expanded_before_caught_up, aim="fetch of a life before"
    ),
    Planted("zombie leader serves", zombie_leader_serves, aim="leader left alone"),
    Planted("ack before sync", acknowledged_before_sync),
    Planted("pending members not counted", pending_members_not_counted),
    Planted(
        "plain fetch counted as synced", plain_fetch_counted_as_synced, aim="mode changed, one slow"
    ),
    Planted(
        "earlier incarnation's fetch counted",
        earlier_incarnation_counted,
        aim="fetch of a life before",
    ),
    Planted("fetch of any leader epoch", fetch_of_any_epoch, aim="fetch of an epoch before"),
    Planted("divergence not told", divergence_not_told, aim="leader lost ahead"),
    Planted("own log taken for committed", own_log_taken_for_committed, aim="leader lost ahead"),
    Planted("follower takes its end for committed", follower_takes_its_end),
    Planted(
        "lost leadership acknowledges", lost_leadership_acknowledges, aim="fetch of an epoch before"
    ),
    Planted("read above the high watermark", read_above_watermark),
    Planted("fetched before own sync", fetched_before_own_sync),
    Planted("eligible replicas never cleared", eligible_never_cleared, aim="crash with a tail"),
    Planted("power loss taken for a crash", power_loss_taken_for_crash, aim="power lost ahead"),
    Planted("ISR changed by any epoch", isr_changed_by_any_epoch, aim="wish of an epoch before"),
    Planted("preferred leader out of sync", preferred_leader_out_of_sync),
    Planted("moved before in sync", moved_before_in_sync, aim="move"),
    Planted("last to stop left alone", last_to_stop_left_alone, aim="all told to stop"),
)
