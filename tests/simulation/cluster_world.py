"""A whole cluster in one process: production brokers, simulated network, disks, clocks, clients."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

from data_plane.broker import internal_topics, membership
from data_plane.broker.config import InitialVoter
from data_plane.metadata import duties
from data_plane.metadata.leadership import eligible
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from data_plane.replication import fetcher
from tests.simulation import rates
from tests.simulation.chores import Chores, KeyedProducer
from tests.simulation.clients import (
    CarelessProducer,
    Client,
    FullWindowProducer,
    ImpatientProducer,
    Producer,
    Reader,
    Who,
    Worker,
)
from tests.simulation.clock import Schedule
from tests.simulation.cluster_invariants import ClusterInvariants, Violation, log_of
from tests.simulation.final_offsets import FinalOffsets
from tests.simulation.groups import Book, ClassicMember, ConsumerMember, Member
from tests.simulation.machine import CLIENTS_FROM, REFUSED_TWICE_MS, Machine, Site
from tests.simulation.mixed_groups import MixedMember, RestlessMember, left_out, settle
from tests.simulation.nemesis import Nemesis
from tests.simulation.network import SimulatedNetwork
from tests.simulation.plan import MAIN, VOTERS, Plan, drawn
from tests.simulation.rare_paths import forced
from tests.simulation.streams import Streams
from tests.simulation.transactions import (
    CommittedReader,
    TransactionalProducer,
    judge_transactions,
)

UP_MS_MAX = 10_000  # in which the cluster comes up
FAULTS_MS = 16_000
HEALING_MS = 60_000
FINISHING_MS = 20_000  # of transactions that were decided before the heal
GATHERING_MS = 40_000  # of groups; a member's session and a rebalance are over by then
REPLICAS_MAX = 3
READ_PARTITIONS_MAX = 2  # by readers; every replica of all is compared in the end
INTERNAL_PARTITIONS = 2
# Timers of production that a world cannot wait for, or that would let it do nothing else.
BALANCE_MS = 2_000  # for preferred leaders; 20 s
HEARTBEAT_MS = 1_000  # of brokers; 500 ms
FOLLOWERS_WAIT_MS = 1_000  # of fetches, when there is nothing new; 500 ms


@dataclass(slots=True)
class ClusterTally:
    """What happened, so that nobody takes a quiet world for a proof."""

    acknowledged: int = 0
    retried: int = 0
    read: int = 0
    ms: int = 0
    trace: str = ""
    faults: dict[str, int] = field(default_factory=dict)


class ClusterWorld:
    """One seed. Randomness is split by name, so that one draw more does not shift all others."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        """plan: None: the one that the seed draws."""
        self.seed = seed
        self.plan = plan or drawn(seed)
        self.rates = rates.drawn(seed, is_aimed=bool(plan or self.plan.aim))
        self.schedule = Schedule()
        self.tally = ClusterTally()
        self.invariants = ClusterInvariants(lambda: self.schedule.now_ms)
        self._trace = hashlib.blake2b(digest_size=8)
        self.network: SimulatedNetwork[int] = SimulatedNetwork(self.schedule, Random(f"{seed} net"))
        self.streams = Streams(self.schedule, Random(f"{seed} streams"), self.network)
        self.directories = Random(f"{seed} directories")
        directory_ids = [self.new_directory_id() for _ in range(self.plan.brokers)]
        voters = tuple(InitialVoter(at, directory_ids[at], f"host:{at}") for at in range(VOTERS))
        site = Site(
            self.schedule,
            self.network,
            self.streams,
            voters,
            self.plan.static_configs,
            self.plan.metadata_log_bytes_max,
            self.plan.brokers,
            self.plan.cleaning_ms_mean,
            self.plan.rare,
            self._lose,
        )
        self.machines = [
            self._machine(site, at, directory_id) for at, directory_id in enumerate(directory_ids)
        ]
        second = FullWindowProducer if self.plan.has_full_window else Producer
        self.producers = [
            kind(self._who(1 + at), place=(MAIN, at % self.plan.partitions))
            for at, kind in enumerate([Producer, second])
        ]
        if self.plan.has_impatient:
            self.producers.append(ImpatientProducer(self._who(30), place=(MAIN, 0)))
        self.readers = [
            Reader(self._who(20 + at), place=(MAIN, at)) for at in range(self._read_partitions)
        ]
        self.transactional = [
            TransactionalProducer(
                self._who(40 + at), self.plan.partitions, is_v2=bool(seed + at & 1)
            )
            for at in range(self.plan.transactional)
        ]
        self.committed_readers = [
            CommittedReader(self._who(60 + at), place=(MAIN, at))
            for at in range(self._read_partitions if self.transactional else 0)
        ]
        self.careless = [
            CarelessProducer(self._who(10 + at), place=(MAIN, 0))
            for at in range(self.plan.careless)
        ]
        self.chores = Chores(self._who(90), self.plan, self.count)
        self.keyed = [KeyedProducer(self._who(91))] if self.plan.has_compacted else []
        self.book = Book("g", self.plan.partitions)
        kinds = {
            "classic": ClassicMember,
            "consumer": ConsumerMember,
            "told": MixedMember,
            "restless": RestlessMember,
        }
        self.members: list[Member] = [
            kinds[kind](self._who(80 + at), self.book) for at, kind in enumerate(self.plan.members)
        ]
        self.admin = Client(self._who(0))
        self.nemesis = Nemesis(self, Random(f"{seed} nemesis"))
        self.faults_ms = FAULTS_MS  # after which all is healed
        self._is_up = False

    @property
    def _read_partitions(self) -> int:
        return min(READ_PARTITIONS_MAX, self.plan.partitions)

    @property
    def features(self) -> frozenset[str]:
        """What this world has of all that a world may have, in the words of plan and nemesis."""
        plan = self.plan
        is_so = {
            "synced": plan.is_synced,
            "spread": not plan.is_synced,
            "three replicas": plan.replication_factor == REPLICAS_MAX,
            "small segments": int(plan.segment_bytes) < 1 << 20,
            "observers": plan.brokers > VOTERS,
            "full window": plan.has_full_window,
            "transactions": plan.transactional > 0,
            "careless": plan.careless > 0,
            "compacted": plan.has_compacted,
            "group": bool(plan.members),
            "classic group": "classic" in plan.members,
            "mixed group": plan.is_mixed,
        }
        return frozenset(
            (
                *self.nemesis.kinds,
                *plan.chores,
                *plan.rare,
                *(name for name, yes in is_so.items() if yes),
            )
        )

    def new_directory_id(self) -> UUID:
        return UUID(int=self.directories.getrandbits(128), version=4)

    def _who(self, number: int) -> Who:
        at = CLIENTS_FROM + number
        return Who(
            at, self.plan.brokers, self.streams, Random(f"{self.seed} client {at}"), self.invariants
        )

    @property
    def workers(self) -> list[Worker]:
        """Clients that must come forward once everything is healed."""
        chores = [self.chores] if self.plan.chores else []
        clients = (*self.producers, *self.careless, *self.transactional, *self.members, *self.keyed)
        return [*clients, *chores]

    # --- machines ------------------------------------------------------------------------------

    def _machine(self, site: Site, number: int, directory_id: UUID) -> Machine:
        def changed(is_quorum: bool) -> None:
            self._trace.update(b"%d %d %d;" % (self.schedule.now_ms, number, self.invariants.moved))
            with self.nemesis.reads.looking_on():
                if is_quorum:
                    self.invariants.quorum_changed(machine, self.machines)
                else:
                    self.invariants.broker_changed(machine, self.machines)
            if machine.host is None:
                self.nemesis.restart_later(machine)

        rng = Random(f"{self.seed} machine {number}")
        machine = Machine(site, number, directory_id, rng, changed)
        machine.disk.sync_ms_mean = self.plan.sync_ms_means[number]
        return machine

    def start(self, machine: Machine) -> None:
        if machine.host is None and not machine.start():
            self.nemesis.restart_later(machine)

    def _lose(self, number: int) -> None:
        """A process is gone and its machine refuses connections: peers that can ask hear of it."""
        life = self.machines[number].life

        def tell() -> None:
            for other in self.machines:
                ways = [(other.number, number), (number, other.number)]
                if other.number != number and not any(map(self.network.is_cut, ways)):
                    other.hears_of_loss(number)

        def look() -> None:
            if self.machines[number].host is None and self.machines[number].life == life:
                tell()

        self.schedule.after(REFUSED_TWICE_MS, look)

    # --- the run -------------------------------------------------------------------------------

    def run(self) -> ClusterTally:
        """Raises Violation, or what a process raised; both name the seed."""
        with sized_for_a_world(self.plan.segment_bytes), forced(self.plan.rare):
            return self._run()

    def _run(self) -> ClusterTally:
        try:
            for machine in self.machines:
                machine.start()
            self.schedule.after(500, self._create_topic)
            self._run_until(lambda: self._is_up, UP_MS_MAX, "the cluster does not come up")
            self.nemesis.begin()
            self._let_a_clock_go_wrong()
            self.schedule.run(self.schedule.now_ms + self.faults_ms)
            self._heal()
            self._come_together()
            self._judge_offsets()
            self._judge()
        except BaseException as error:
            error.add_note(f"seed {self.seed}, at {self.schedule.now_ms} ms: {self.tally.faults}")
            raise
        self.tally.acknowledged = sum(one.acknowledged for one in self.producers)
        self.tally.retried = sum(one.retried for one in self.producers)
        self.tally.read = sum(one.read for one in self.readers)
        self.tally.ms = self.schedule.now_ms
        self.tally.trace = self._trace.hexdigest()
        return self.tally

    def count(self, what: str) -> None:
        self.tally.faults[what] = self.tally.faults.get(what, 0) + 1

    def _create_topic(self) -> None:
        plan = self.plan
        topic = CreateTopicsRequestTopic(MAIN, plan.partitions, plan.replication_factor)

        def told(response: Any) -> None:
            created = MAIN in self.invariants.image.topics
            if response is None or (response.topics[0].error_code and not created):
                self.admin.later(self._create_topic, 300)
                return
            self._is_up = True
            for worker in self.workers:
                worker.start()
            for reader in self.readers:
                reader.start()
            for committed in self.committed_readers:
                committed.start()

        request = CreateTopicsRequest(topics=[topic], timeout_ms=3_000)
        self.admin.ask(self.admin.some_broker(), request, told)

    def _let_a_clock_go_wrong(self) -> None:
        wrong = None if self.plan.aim else rates.wrong_clock(self.seed, len(self.machines))
        if wrong is not None:
            number, times = wrong
            self.count(f"clock {times:.2g} times as fast")
            self.machines[number].clock.goes_wrong(times)
            # Who coordinates a transaction counts its time by that clock: late is no fault, nor is
            # early by as much as it is wrong.
            self.invariants.time_outs.early_share_max += max(0.0, 1 - 1 / times)

    # --- the end -------------------------------------------------------------------------------

    def _heal(self) -> None:
        self.nemesis.is_over = True
        self.network.heal()
        self.streams.blocked.clear()
        for machine in self.machines:
            machine.resume()
            machine.clock.is_put_right()
            machine.disk.sync_ms_mean, machine.disk.bulk_ms_mean = 1.0, 0.0
            machine.disk.files.faults.clear()
            machine.disk.has_room()
            self.nemesis.reads.replace_disk(machine)
            self.start(machine)

    def _come_together(self) -> None:
        """Within a minute everybody is in sync again, and every client is told of more.

        Whoever coordinates a transaction carries out what was decided, whoever had decided it. A
        group leaves nothing unread.
        """
        before = [one.done for one in self.workers]
        until_ms = self.schedule.now_ms + HEALING_MS
        finished_ms = self.schedule.now_ms + FINISHING_MS
        gathered_ms = self.schedule.now_ms + GATHERING_MS
        settle(self.members)
        ends = [self.invariants.oracle(MAIN, at).end for at in range(self.plan.partitions)]
        decided = set(self.invariants.decisions.unfinished.items())

        def has_moved() -> bool:
            left = decided.intersection(self.invariants.decisions.unfinished.items())
            if left and self.schedule.now_ms > finished_ms:
                raise Violation(f"decided before the heal, and not carried out: {sorted(left)}")
            nobodys = left_out(self.book, self.members, ends) if self.members else []
            if nobodys and self.schedule.now_ms > gathered_ms:
                raise Violation(
                    f"partitions {nobodys} have no owner in a group, or are not read to {ends}: "
                    f"{self.book.read_to}, {self.members}"
                )
            pairs = zip(self.workers, before, strict=True)
            return not nobodys and all(one.done > was for one, was in pairs) and self._is_whole()

        self._run_until(has_moved, until_ms, "nothing moves after the heal")
        for worker in self.workers:
            worker.is_stopping = True
        self._run_until(self._is_still, until_ms, "the cluster does not come together")

    def _run_until(self, is_so: Callable[[], bool], until_ms: int, otherwise: str) -> None:
        while not is_so():
            if self.schedule.now_ms >= until_ms:
                clients = [f"{one!r}" for one in self.workers]
                rows = [f"{name} {row}" for name, row in self.invariants.rows()]
                raise Violation(f"{otherwise}: {clients} {rows}")
            self.schedule.run(self.schedule.now_ms + 250)

    def _is_whole(self) -> bool:
        return all(
            len(eligible(row)) == len(row.replicas) == len(row.isr)
            and not row.is_moving
            and (row.commit_mode == self._mode_of(row) or self.nemesis.is_mode_open)
            for _, row in self.invariants.rows()
        )

    def _mode_of(self, row: PartitionRecord) -> CommitMode:
        is_synced = self.plan.is_synced or len(row.replicas) < REPLICAS_MAX
        return CommitMode.SYNCED if is_synced else CommitMode.SPREAD

    def _is_still(self) -> bool:
        if not all(one.is_idle for one in self.workers) or not self._is_whole():
            return False
        if any(one.open for one in self.invariants.oracles.values()):
            return False
        offsets = {one.host.image.offset for one in self.machines if one.host is not None}
        return len(offsets) == 1 and all(
            self.holds_all(self.machines[number], name, row, is_exact=True)
            for name, row in self.invariants.rows()
            for number in row.replicas
        )

    def holds_all(
        self, machine: Machine, topic: str, row: PartitionRecord, *, is_exact: bool = False
    ) -> bool:
        """A replica has all that is committed; is_exact: and no more."""
        log = None if machine.broker is None else log_of(machine.broker, row)
        end = self.invariants.oracle(topic, row.partition_index).end
        if log is None:
            return end == 0
        return log.log_end_offset == end if is_exact else log.log_end_offset >= end

    def is_everything_everywhere(self) -> bool:
        """Every replica is in its ISR, up as the incarnation that is registered, and whole."""
        image = self.invariants.image
        for machine in self.machines:
            known = image.brokers.get(machine.number)
            if known is None or machine.incarnation_id != known.incarnation_id:
                return False
            if machine.broker is None:
                return False
        return all(
            len(row.isr) == len(row.replicas)
            and all(self.holds_all(self.machines[one], name, row) for one in row.replicas)
            for name, row in self.invariants.rows()
        )

    def _judge_offsets(self) -> None:
        """What groups are told now is what they committed.

        Somebody may end meanwhile, told late of what failed long before; all are up again then.
        """
        final = FinalOffsets(self._who(99), self.book if self.members else None, self.transactional)
        final.start()
        until_ms = self.schedule.now_ms + HEALING_MS
        self._run_until(
            lambda: final.is_idle and self._is_still(), until_ms, "no group tells its offsets"
        )

    def _judge(self) -> None:
        self.invariants.judge(self.machines)
        judge_transactions(self.transactional, self.invariants.oracles)
        images = [one.host.image for one in self.machines if one.host is not None]
        if any(one != images[0] for one in images):
            raise Violation("the images of the metadata differ")


@contextmanager
def sized_for_a_world(segment_bytes: str) -> Iterator[None]:
    """Fifty partitions of a hundred megabytes would be three brokers' whole work.

    Nor can a world of seconds wait for what is done three times a minute.
    """
    configs = {
        name: own | {"segment.bytes": segment_bytes}
        for name, own in internal_topics.CONFIGS.items()
    }
    with (
        patch.object(internal_topics, "PARTITIONS_OTHERWISE", INTERNAL_PARTITIONS),
        patch.object(internal_topics, "CONFIGS", configs),
        patch.object(duties, "BALANCE_INTERVAL_MS", BALANCE_MS),
        patch.object(membership, "HEARTBEAT_MS", HEARTBEAT_MS),
        patch.object(fetcher, "WAIT_MS", FOLLOWERS_WAIT_MS),
    ):
        yield
