"""Partitions with their logs, in the few strokes that durability.md 1 and 3 need.

The controller's decisions are the real ones; leaders, followers and disks are modelled: a log is
a list of (leader epoch, number), of which a prefix is synced. `committed` is what a leader has told
anybody, and must be found again whatever happens within the promise.
"""

import dataclasses
import random
from collections.abc import Sequence
from uuid import UUID

from data_plane.metadata.broker_sessions import BrokerSessions
from data_plane.metadata.brokers import (
    decide_begin_shutdown,
    decide_fence,
    decide_leave,
    decide_register_broker,
    decide_unfence,
)
from data_plane.metadata.codec import OTTLA_VERSION, decode_record, encode_batch
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_balance
from data_plane.metadata.features import supported_ranges
from data_plane.metadata.heartbeats import Hearing, decide_heartbeat
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.isr_changes import decide_alter_partition
from data_plane.metadata.leadership import NO_LEADER, eligible
from data_plane.metadata.records import (
    CommitMode,
    PartitionRecord,
    RegisterBrokerRecord,
    RestartKind,
    metadata_records,
)
from data_plane.metadata.replica_ends import ReplicaEnds
from data_plane.metadata.snapshots import image_of, snapshot_of
from data_plane.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestBrokerState,
    AlterPartitionRequestPartition,
    AlterPartitionRequestTopic,
)
from data_plane.protocol.messages.broker_heartbeat import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatRequestPartition,
    BrokerHeartbeatRequestTopic,
)
from tests.unit.data_plane.metadata.worlds import broker, create, scope_of, topic

Entry = tuple[int, int]
BROKERS = (1, 2, 3, 4)


@dataclasses.dataclass
class Replica:
    """One broker's copy of one partition."""

    log: list[Entry] = dataclasses.field(default_factory=list)
    synced: int = 0

    def lose_power(self, rng: random.Random) -> None:
        """What was not synced is gone, all of it or only its end."""
        kept = rng.choice((self.synced, rng.randint(self.synced, len(self.log))))
        del self.log[kept:]
        self.synced = kept

    def holds(self, committed: Sequence[Entry]) -> bool:
        return self.log[: len(committed)] == list(committed)


class Model:
    """Broker i on machine i; each op may do nothing if it makes no sense now."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.image = MetadataImage()
        self.up: set[int] = set()
        self.unheard: set[int] = set()  # of whom the controller, a new one, knows nothing yet
        self.kept: set[int] = set()  # registered under a leader of whom it knew nothing
        self.kinds: dict[int, RestartKind] = {}  # of the stop that comes to be told
        self.incarnation = 0
        self.number = 0
        self.ends = ReplicaEnds()
        for each in BROKERS:
            self.register(each, RestartKind.CLEAN)
            self.unfence(each)
        self.names = ("spread", "synced", "pair", "alone")
        self.apply(
            create(
                self.image,
                topic("spread", 2, 3, min_insync_replicas="2"),
                topic("synced", 1, 3, min_insync_replicas="1"),
                topic("pair", 1, 2),
                topic("alone", 1, 1),
                rng=self.rng,
            )
        )
        self.replicas: dict[tuple[str, int, int], Replica] = {
            (name, row.partition_index, each): Replica()
            for name in self.names
            for row in self.image.topics[name].partitions
            for each in row.replicas
        }
        keys = [(name, row.partition_index) for name in self.names for row in self.rows(name)]
        self.keys = keys
        self.committed: dict[tuple[str, int], list[Entry]] = {key: [] for key in keys}
        # (key) -> what the leader of an epoch knows of the others: (epoch, broker -> (end, synced))
        self.known: dict[tuple[str, int], tuple[int, dict[int, tuple[int, int]]]] = {}

    # --- what the tests look at ----------------------------------------------------------------

    def rows(self, name: str) -> Sequence[PartitionRecord]:
        return self.image.topics[name].partitions

    def row(self, key: tuple[str, int]) -> PartitionRecord:
        return self.image.topics[key[0]].partitions[key[1]]

    def check(self) -> None:
        for key in self.keys:
            row = self.row(key)
            members = eligible(row)
            assert set(row.isr) <= set(row.replicas), row
            assert not set(row.isr) & set(row.elr), row
            assert (row.leader == NO_LEADER) == (not row.isr), row
            assert row.leader == NO_LEADER or row.leader in row.isr, row
            active = self.image.active_brokers() | {row.leader} | self.kept
            assert set(row.isr) <= active, (row, active)
            if row.commit_mode == CommitMode.SYNCED and row.isr:
                assert not row.elr, row
            assert not row.is_recovering, ("nothing within the promise needs this", row)
            for each in members:
                if each in self.kinds and self.kinds[each] is not RestartKind.PROCESS_CRASH:
                    continue  # It has lost something and could not say so yet.
                replica = self.replicas[(*key, each)]
                assert replica.holds(self.committed[key]), (key, each, row)
                if row.commit_mode == CommitMode.SYNCED:
                    assert replica.synced >= len(self.committed[key]), (key, each, row)

    def apply(self, decision: Decision[object]) -> None:
        """Replay what was written, by way of its bytes; epochs only rise."""
        before = self.image
        records = metadata_records(decision.records)
        entries = encode_batch(records, before.features.get(OTTLA_VERSION, 0))
        delta = ImageDelta(before)
        delta.replay_all(decode_record(each) for each in entries)
        self.image = delta.publish(offset=before.offset + len(entries), term=1)
        for name, now in self.image.topics.items():
            if name not in before.topics:
                continue
            for old, new in zip(before.topics[name].partitions, now.partitions, strict=True):
                assert new.leader_epoch >= old.leader_epoch
                assert new.partition_epoch >= old.partition_epoch
                if new.leader != old.leader:
                    assert new.leader_epoch > old.leader_epoch
                assert (new == old) == (new.partition_epoch == old.partition_epoch)

    def check_snapshot(self) -> None:
        assert image_of(snapshot_of(self.image)) == self.image

    # --- brokers -------------------------------------------------------------------------------

    def register(self, broker_id: int, kind: RestartKind) -> None:
        self.incarnation += 1
        record: RegisterBrokerRecord = dataclasses.replace(
            broker(broker_id),
            incarnation_id=UUID(int=self.incarnation),
            is_fenced=True,
            restart_kind=kind,
            features=supported_ranges(),
        )
        if kind is RestartKind.NEW_DIRECTORY:
            record = dataclasses.replace(record, directory_id=UUID(int=self.incarnation))
        elif broker_id in self.image.brokers:
            known = self.image.brokers[broker_id].directory_id
            record = dataclasses.replace(record, directory_id=known)
        decision = decide_register_broker(
            scope_of(self.image),
            record,
            next_offset=self.image.offset + 1,
            unheard=self.unheard - {broker_id},
        )
        self.apply(decision)
        self.unheard.discard(broker_id)
        self.kept.add(broker_id)
        self.up.add(broker_id)
        self.kinds.pop(broker_id, None)

    def stop(self, broker_id: int, kind: RestartKind) -> None:
        """The process ends; what its disk keeps depends on how."""
        self.up.discard(broker_id)
        self.kinds[broker_id] = kind
        for (_, _, each), replica in self.replicas.items():
            if each != broker_id:
                continue
            if kind is RestartKind.POWER_LOSS:
                replica.lose_power(self.rng)
            elif kind is RestartKind.NEW_DIRECTORY:
                replica.log, replica.synced = [], 0

    def is_within_the_promise(self, broker_id: int, kind: RestartKind) -> bool:
        """May this broker lose something now? GUARANTEES.md says what is outside."""
        lossy = {each for each, why in self.kinds.items() if why is not RestartKind.PROCESS_CRASH}
        for key in self.keys:
            row = self.row(key)
            rest = set(eligible(row)) - {broker_id}
            if broker_id not in row.replicas:
                continue
            if kind is RestartKind.NEW_DIRECTORY and not rest - lossy:
                return False
            if row.commit_mode == CommitMode.SPREAD and (
                kind is not RestartKind.PROCESS_CRASH and len(set(row.isr) - lossy) < 2
            ):
                return False
        return True

    def change_controller(self) -> None:
        self.unheard = set(self.image.active_brokers())

    def fence(self, *broker_ids: int) -> None:
        unheard = self.unheard.difference(broker_ids)
        self.apply(decide_fence(scope_of(self.image), broker_ids, unheard))

    def leave(self) -> None:
        """The controller's duty: whoever is fenced leaves the ISRs."""
        self.apply(decide_leave(scope_of(self.image), self.unheard))

    def unfence(self, broker_id: int) -> None:
        known = self.image.brokers[broker_id]
        if broker_id in self.up:
            self.unheard.discard(broker_id)
        if broker_id in self.up and known.is_fenced:
            self.apply(decide_unfence(scope_of(self.image), known))

    def begin_shutdown(self, broker_id: int) -> None:
        known = self.image.brokers[broker_id]
        if broker_id in self.up and known.is_active:
            self.apply(decide_begin_shutdown(scope_of(self.image), known))

    def balance(self) -> None:
        self.apply(decide_balance(scope_of(self.image)))

    def tell_ends(self, broker_id: int) -> None:
        """A heartbeat that says how far the logs of leaderless partitions reach."""
        known = self.image.brokers[broker_id]
        topics = []
        for name in self.names:
            rows = []
            for row in self.rows(name):
                if row.leader == NO_LEADER and broker_id in row.replicas:
                    log = self.replicas[name, row.partition_index, broker_id].log
                    last_epoch = log[-1][0] if log else -1
                    rows.append(
                        BrokerHeartbeatRequestPartition(row.partition_index, last_epoch, len(log))
                    )
            topics.append(BrokerHeartbeatRequestTopic(self.image.topics[name].topic_id, rows))
        request = BrokerHeartbeatRequest(
            broker_id, known.broker_epoch, self.image.offset, replica_ends=topics
        )
        hearing = Hearing(scope_of(self.image), BrokerSessions(), self.ends, 0)
        if broker_id in self.up:
            self.apply(decide_heartbeat(hearing, request))

    # --- leaders and followers -----------------------------------------------------------------

    def leads(self, key: tuple[str, int]) -> bool:
        row = self.row(key)
        return row.leader in self.up

    def append(self, key: tuple[str, int]) -> None:
        if self.leads(key):
            row = self.row(key)
            self.number += 1
            self.replicas[(*key, row.leader)].log.append((row.leader_epoch, self.number))

    def fetch(self, key: tuple[str, int], follower: int) -> None:
        """Truncate to what both have, copy some more, and tell the leader."""
        row = self.row(key)
        if not self.leads(key) or follower not in self.up or follower == row.leader:
            return
        source, own = self.replicas[(*key, row.leader)], self.replicas[(*key, follower)]
        common = 0
        while common < min(len(source.log), len(own.log)):
            if source.log[common] != own.log[common]:
                break
            common += 1
        del own.log[common:]
        own.synced = min(own.synced, common)
        own.log += source.log[common : common + self.rng.randint(0, 3)]
        if row.commit_mode == CommitMode.SYNCED:
            own.synced = len(own.log)  # It asks for more only after its sync.
        epoch, told = self.known.get(key, (-1, {}))
        if epoch != row.leader_epoch:
            told = {}
        told[follower] = (len(own.log), own.synced)
        self.known[key] = (row.leader_epoch, told)

    def sync(self, key: tuple[str, int], broker_id: int) -> None:
        if broker_id in self.up and (*key, broker_id) in self.replicas:
            replica = self.replicas[(*key, broker_id)]
            replica.synced = len(replica.log)

    def progress(self, key: tuple[str, int], broker_id: int) -> int:
        """How far the leader knows a member to be, in the terms of the mode."""
        row = self.row(key)
        is_synced = row.commit_mode == CommitMode.SYNCED
        if broker_id == row.leader:
            own = self.replicas[(*key, broker_id)]
            return own.synced if is_synced else len(own.log)
        epoch, told = self.known.get(key, (-1, {}))
        if epoch != row.leader_epoch or broker_id not in told:
            return 0
        return told[broker_id][1 if is_synced else 0]

    def commit(self, key: tuple[str, int]) -> None:
        """Move the high watermark as the mode says."""
        row = self.row(key)
        if not self.leads(key):
            return
        judge = Judges(scope_of(self.image)).of(key[0])
        if row.commit_mode == CommitMode.SPREAD and not judge.covers(row.isr, row.replicas):
            return
        reached = min(self.progress(key, each) for each in row.isr)
        if reached > len(self.committed[key]):
            log = self.replicas[(*key, row.leader)].log
            assert log[: len(self.committed[key])] == self.committed[key]
            self.committed[key] = log[:reached]

    def alter(self, key: tuple[str, int], isr: Sequence[int]) -> None:
        row = self.row(key)
        states = [
            AlterPartitionRequestBrokerState(each, self.image.brokers[each].broker_epoch)
            for each in isr
        ]
        asked = AlterPartitionRequestPartition(
            key[1],
            row.leader_epoch,
            new_isr_with_epochs=states,
            partition_epoch=row.partition_epoch,
        )
        self.apply(
            decide_alter_partition(
                scope_of(self.image),
                AlterPartitionRequest(
                    row.leader,
                    self.image.brokers[row.leader].broker_epoch,
                    [AlterPartitionRequestTopic(row.topic_id, [asked])],
                ),
            )
        )

    def shrink(self, key: tuple[str, int], member: int) -> None:
        row = self.row(key)
        if self.leads(key) and member in row.isr and member != row.leader:
            self.alter(key, [each for each in row.isr if each != member])

    def expand(self, key: tuple[str, int], follower: int) -> None:
        row = self.row(key)
        if not self.leads(key) or follower in row.isr or follower not in self.up:
            return
        if follower not in row.replicas or follower not in self.image.active_brokers():
            return
        leader_log = self.replicas[(*key, row.leader)].log
        epoch_start = sum(1 for entry in leader_log if entry[0] < row.leader_epoch)
        if self.progress(key, follower) >= max(len(self.committed[key]), epoch_start):
            self.alter(key, [*row.isr, follower])
