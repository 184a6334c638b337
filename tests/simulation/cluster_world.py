"""A whole cluster in one process: production brokers, simulated network, disks, clocks, clients."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from data_plane.broker.config import InitialVoter
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.leadership import eligible
from data_plane.metadata.records import CommitMode
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.incremental_alter_configs import (
    SET,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from tests.simulation.clients import TOPIC, Client, Producer, Reader
from tests.simulation.clock import Schedule
from tests.simulation.cluster_invariants import ClusterInvariants, Violation, log_of
from tests.simulation.machine import CLIENTS_FROM, Machine, Site
from tests.simulation.network import SimulatedNetwork, Weather
from tests.simulation.streams import Streams

QUIET_MS = 4_000  # in which the cluster comes up
FAULTS_MS = 30_000
HEALING_MS = 60_000
BROKERS = 3


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

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.schedule = Schedule()
        self.tally = ClusterTally()
        self.invariants = ClusterInvariants(TOPIC)
        self._nemesis = Random(f"{seed} nemesis")
        self._trace = hashlib.blake2b(digest_size=8)
        self._workload = Random(f"{seed} workload")
        self.network: SimulatedNetwork[int] = SimulatedNetwork(self.schedule, Random(f"{seed} net"))
        self.streams = Streams(
            self.schedule,
            Random(f"{seed} streams"),
            cut=self.network.cut,
            weather=lambda: self.network.weather,
        )
        ids = Random(f"{seed} directories")
        voters = tuple(
            InitialVoter(at, UUID(int=ids.getrandbits(128), version=4), f"host:{at}")
            for at in range(BROKERS)
        )
        self.is_synced = self._workload.random() < 0.5
        self._partitions = self._workload.choice([1, 1, 2])
        log_bytes_max = self._nemesis.choice([3_000, 1 << 20])
        static = {"replica.lag.time.max.ms": "3000"}
        site = Site(self.schedule, self.network, self.streams, voters, static, log_bytes_max)
        self.machines = [self._machine(site, at) for at in range(BROKERS)]
        self.producers = [
            Producer(
                CLIENTS_FROM + 1 + at,
                BROKERS,
                self.streams,
                Random(f"{seed} producer {at}"),
                index=at % self._partitions,
                invariants=self.invariants,
            )
            for at in range(2)
        ]
        self.readers = [
            Reader(
                CLIENTS_FROM + 20 + at,
                BROKERS,
                self.streams,
                Random(f"{seed} reader {at}"),
                index=at,
                invariants=self.invariants,
            )
            for at in range(self._partitions)
        ]
        self._admin = Client(CLIENTS_FROM, BROKERS, self.streams, Random(f"{seed} admin"))
        self._is_mode_open = False  # flush.messages is changed now and then
        self._directories = ids
        # Until it is replaced nobody else is hurt: E may shrink to who has lost it, and then
        # every disk of E is lost, which is outside the promise.
        self._is_directory_lost = False
        self._blows_until_ms = 0  # of what was begun
        self._menu = self._chosen_faults()
        self._is_healing = False

    def _machine(self, site: Site, number: int) -> Machine:
        def changed() -> None:
            self._note(number)
            self.invariants.changed(machine, self.machines)
            if machine.host is None:
                self._restart_later(machine)

        machine = Machine(site, number, Random(f"{self.seed} machine {number}"), changed)
        return machine

    def _start(self, machine: Machine) -> None:
        if not machine.start():
            self._restart_later(machine)

    def _note(self, number: int) -> None:
        """Every event of a process, with what it has come to, is part of the trace."""
        broker = self.machines[number].broker
        watermarks = (
            [] if broker is None else [one.high_watermark for one in broker.open_partitions()]
        )
        self._trace.update(f"{self.schedule.now_ms} {number} {watermarks}".encode())

    # --- the run -------------------------------------------------------------------------------

    def run(self) -> ClusterTally:
        """Raises Violation, or what a process raised; both name the seed."""
        try:
            for machine in self.machines:
                machine.start()
            self.schedule.after(500, self._create_topic)
            self.schedule.run(QUIET_MS, nothing)
            self._trouble_later()
            self.schedule.run(FAULTS_MS, nothing)
            self._heal()
            self._come_together()
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

    def _create_topic(self) -> None:
        configs = [CreateTopicsRequestConfig("flush.messages", "1")] if self.is_synced else []
        topic = CreateTopicsRequestTopic(TOPIC, self._partitions, BROKERS, configs=configs)

        def told(response: Any) -> None:
            created = TOPIC in self.invariants.image.topics
            if response is None or (response.topics[0].error_code and not created):
                self._admin.later(self._create_topic, 300)
                return
            for producer in self.producers:
                producer.start()
            for reader in self.readers:
                reader.start()

        request = CreateTopicsRequest(topics=[topic], timeout_ms=3_000)
        self._admin.ask(self._admin.some_broker(), request, told)

    # --- trouble -------------------------------------------------------------------------------

    def _chosen_faults(self) -> list[Callable[[], None]]:
        """Each world has some kinds of trouble only."""
        kinds = [
            self._crash,
            self._power_loss,
            self._cut,
            self._pause,
            self._bad_weather,
            self._failed_sync,
            self._slow_disk,
            self._site_power_loss,
            self._wall_jump,
            self._one_after_another,
            self._lost_directory,
            self._flush_otherwise,
        ]
        chosen = self._nemesis.sample(kinds, self._nemesis.randint(1, len(kinds)))
        if self._flush_otherwise in chosen:
            self.is_synced = False  # Not for long, at least.
            self._is_mode_open = True
        return chosen

    def _trouble_later(self) -> None:
        def again() -> None:
            if self._is_healing:
                return
            if self._is_directory_lost and self._is_everything_everywhere():
                self._is_directory_lost = False
            if self._nemesis.random() > 0.25 and not self._is_directory_lost:
                self._nemesis.choice(self._menu)()
            self._trouble_later()

        self.schedule.after(self._nemesis.randint(300, 4_000), again)

    def _count(self, what: str) -> None:
        self.tally.faults[what] = self.tally.faults.get(what, 0) + 1

    def _some_machine(self) -> Machine:
        """Who leads a partition, half of the time."""
        topic = self.invariants.image.topics.get(TOPIC)
        leader = -1 if topic is None else topic.partitions[0].leader
        if leader >= 0 and self._nemesis.random() < 0.5:
            return self.machines[leader]
        return self._nemesis.choice(self.machines)

    def _may_lose_pages(self) -> bool:
        """`spread` survives one node at a time: everybody must be back, with everything."""
        topic = self.invariants.image.topics.get(TOPIC)
        if topic is None or self.is_synced:
            return topic is not None
        return self._is_everything_everywhere()

    def _is_everything_everywhere(self) -> bool:
        topic = self.invariants.image.topics.get(TOPIC)
        return topic is not None and all(
            len(row.isr) == BROKERS and self._holds_all(machine, row)
            for row in topic.partitions
            for machine in self.machines
        )

    def _holds_all(self, machine: Machine, row: Any) -> bool:
        registered = self.invariants.image.brokers.get(machine.number)
        if machine.broker is None or registered is None:
            return False
        log = log_of(machine.broker, row)
        is_current = registered.incarnation_id == machine.incarnation_id
        end = self.invariants.oracle(row.partition_index).end
        return is_current and log is not None and log.log_end_offset >= end

    def _restart_later(self, machine: Machine) -> None:
        life = machine.life

        def restart() -> None:
            if machine.host is None and machine.life == life:
                self._start(machine)

        self.schedule.after(self._nemesis.choice([20, 500, 3_000, 9_000]), restart)

    def _crash(self) -> None:
        self._count("process crash")
        machine = self._some_machine()
        machine.die(is_power_lost=False)
        self._restart_later(machine)

    def _power_loss(self) -> None:
        if self._may_lose_pages():
            self._count("power loss")
            machine = self._some_machine()
            machine.die(is_power_lost=True)
            self._restart_later(machine)

    def _site_power_loss(self) -> None:
        if self.is_synced and self._may_lose_pages():
            self._count("power loss of the site")
            for machine in self.machines:
                machine.die(is_power_lost=True)
                self._restart_later(machine)

    def _lost_directory(self) -> None:
        """One at a time: the next one only when all are voters and replicas again."""
        voters = {(one.number, one.directory_id) for one in self.machines}
        seen = [
            {(key.id, key.directory_id) for key in one.host.controller.node.voters.keys}
            for one in self.machines
            if one.host is not None
        ]
        is_over = self.schedule.now_ms >= self._blows_until_ms
        is_ready = is_over and self._is_everything_everywhere()
        if is_ready and all(one == voters for one in seen):
            self._count("lost directory")
            self._is_directory_lost = True
            for each in self.machines:
                each.disk.files.faults.clear()
            machine = self._some_machine()
            machine.loses_directory(UUID(int=self._directories.getrandbits(128), version=4))
            self._restart_later(machine)

    def _one_after_another(self) -> None:
        """The leader loses power; before it has caught up the others' processes die."""
        if not self._may_lose_pages():
            return
        self._count("one after another")
        self._blows_until_ms = self.schedule.now_ms + 14_000
        first = self._some_machine()
        first.die(is_power_lost=True)
        self.schedule.after(self._nemesis.choice([20, 2_000]), lambda: self._start_again(first))

        def crash(machine: Machine) -> None:
            machine.die(is_power_lost=False)
            self.schedule.after(
                self._nemesis.choice([500, 9_000]), lambda: self._start_again(machine)
            )

        for other in self.machines:
            if other is not first:
                wait_ms = self._nemesis.randrange(4_000)
                self.schedule.after(wait_ms, partial(crash, other))

    def _start_again(self, machine: Machine) -> None:
        if machine.host is None:
            self._start(machine)

    def _flush_otherwise(self) -> None:
        """Another flush.messages: the partitions go over to another commit mode."""
        self._count("mode changed")
        value = self._nemesis.choice(["1", str((1 << 63) - 1)])
        config = IncrementalAlterConfigsRequestConfig("flush.messages", SET, value)
        resource = IncrementalAlterConfigsRequestResource(TOPIC_RESOURCE, TOPIC, [config])
        request = IncrementalAlterConfigsRequest([resource])
        self._admin.ask(self._admin.some_broker(), request, lambda _: None)

    def _failed_sync(self) -> None:
        if self._may_lose_pages():
            self._count("failed sync")
            self._some_machine().disk.files.fail("sync", 5)

    def _slow_disk(self) -> None:
        self._count("slow disk")
        disk = self._some_machine().disk
        disk.sync_ms_mean = self._nemesis.choice([20.0, 200.0])
        self.schedule.after(4_000, lambda: setattr(disk, "sync_ms_mean", 1.0))

    def _pause(self) -> None:
        self._count("pause")
        machine = self._some_machine()
        machine.pause()
        self.schedule.after(self._nemesis.choice([200, 3_000, 8_000]), machine.resume)

    def _cut(self) -> None:
        kind = self._nemesis.choice(["two ways", "one way", "bridge"])
        self._count(f"cut {kind}")
        numbers = list(range(BROKERS))
        one = {self._some_machine().number}
        others = set(numbers) - one
        if kind == "two ways":
            self.network.cut_both_ways(one, others)
        elif kind == "one way":
            self.network.cut_one_way(*self._nemesis.sample([one, others], 2))
        else:
            self.network.cut_to_bridge(numbers, min(one))
        self.schedule.after(self._nemesis.choice([500, 4_000, 9_000]), self.network.cut.clear)

    def _bad_weather(self) -> None:
        self._count("bad weather")
        draw = self._nemesis.random
        self.network.weather = Weather(
            draw() * 0.3, draw() * 0.2, self._nemesis.choice([1, 10, 80]), draw() * 0.05
        )
        self.schedule.after(4_000, lambda: setattr(self.network, "weather", Weather()))

    def _wall_jump(self) -> None:
        self._count("wall clock jump")
        self._some_machine().clock.wall_offset_ms += self._nemesis.choice([1_500, 60_000])

    # --- the end -------------------------------------------------------------------------------

    def _heal(self) -> None:
        self._is_healing = True
        self.network.heal()
        for machine in self.machines:
            machine.resume()
            machine.disk.sync_ms_mean = 1.0
            machine.disk.files.faults.clear()
            if machine.host is None:
                self._start(machine)

    def _come_together(self) -> None:
        """Within a minute everybody is in sync again, and every producer is told of more."""
        before = [one.acknowledged for one in self.producers]
        until_ms = self.schedule.now_ms + HEALING_MS

        def has_moved() -> bool:
            pairs = zip(self.producers, before, strict=True)
            return all(one.acknowledged > was for one, was in pairs) and self._is_whole()

        self._run_until(has_moved, until_ms, "nothing moves after the heal")
        for producer in self.producers:
            producer.is_stopping = True
        self._run_until(self._is_still, until_ms, "the cluster does not come together")

    def _run_until(self, is_so: Callable[[], bool], until_ms: int, otherwise: str) -> None:
        while not is_so():
            if self.schedule.now_ms >= until_ms:
                rows = [list(one.partitions) for one in self.invariants.image.topics.values()]
                raise Violation(f"{otherwise}: {rows}")
            self.schedule.run(self.schedule.now_ms + 250, nothing)

    def _is_whole(self) -> bool:
        rows = self.invariants.image.topics[TOPIC].partitions
        mode = CommitMode.SYNCED if self.is_synced else CommitMode.SPREAD
        return all(
            len(eligible(row)) == BROKERS
            and len(row.isr) == BROKERS
            and (row.commit_mode == mode or self._is_mode_open)
            for row in rows
        )

    def _is_still(self) -> bool:
        if not all(one.is_idle for one in self.producers) or not self._is_whole():
            return False
        offsets = {one.host.image.offset for one in self.machines if one.host is not None}
        return len(offsets) == 1 and all(
            self._holds_just_that(machine, row)
            for row in self.invariants.image.topics[TOPIC].partitions
            for machine in self.machines
        )

    def _holds_just_that(self, machine: Machine, row: Any) -> bool:
        log = None if machine.broker is None else log_of(machine.broker, row)
        end = self.invariants.oracle(row.partition_index).end
        return log is not None and log.log_end_offset == end

    def _judge(self) -> None:
        self.invariants.judge(self.machines)
        images = {
            hashlib.blake2b(repr((one.host.image.topics, one.host.image.brokers)).encode()).digest()
            for one in self.machines
            if one.host is not None
        }
        if len(images) != 1:
            raise Violation("the images of the metadata differ")


def nothing() -> None:
    """Each process is looked at behind what it does."""
