"""What aimed blows are made of: whom they look for, and how they wait for the right moment.

An aimed blow is a few faults at roles (the leader of a partition, who follows it, who leads the
quorum), each at the moment at which it hurts most. Blows keep the promise as other troubles do.
"""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from data_plane.coordinator.transactions_shard import TransactionsShard
from data_plane.metadata.leadership import NO_LEADER, eligible
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic,
)
from data_plane.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersRequestTopic
from tests.simulation.cluster_invariants import log_of
from tests.simulation.machine import Machine
from tests.simulation.network import Weather

if TYPE_CHECKING:
    from tests.simulation.nemesis import Nemesis, Troubled

NOWHERE = 1 << 62
TRANSACTIONS = "__transaction_state"
SLOW_MS = 20  # so that what was sent can still be held up

Act = Callable[[], None]
Is = Callable[[], bool]


class Led:
    """A partition that a blow is aimed at; its row is the newest one."""

    def __init__(self, world: "Troubled", topic: str, row: PartitionRecord) -> None:
        self.topic = topic
        self.first = row
        self.leader = row.leader
        self._world = world

    @property
    def row(self) -> PartitionRecord:
        found = self._world.invariants.image.topics.get(self.topic)
        rows = found.partitions if found is not None else ()
        at = self.first.partition_index
        return rows[at] if at < len(rows) else self.first

    @property
    def followers(self) -> list[int]:
        return [one for one in self.first.replicas if one != self.leader]

    @property
    def committed(self) -> int:
        return self._world.invariants.oracle(self.topic, self.first.partition_index).end

    def end(self, number: int) -> int:
        """Where a replica's log ends; -1: nobody knows."""
        broker = self._world.machines[number].broker
        log = None if broker is None else log_of(broker, self.first)
        return -1 if log is None else log.log_end_offset

    def synced(self, number: int) -> int:
        broker = self._world.machines[number].broker
        log = None if broker is None else log_of(broker, self.first)
        return -1 if log is None else log.synced_offset

    def epoch(self, number: int) -> int:
        """The leader epoch of a replica's last record; -1: nobody knows."""
        broker = self._world.machines[number].broker
        log = None if broker is None else log_of(broker, self.first)
        return -1 if log is None else log.leader_epoch

    def ended_at(self, number: int) -> int:
        """Where a transaction begins whose marker may be lost yet; NOWHERE: there is none."""
        broker = self._world.machines[number].broker
        log = None if broker is None else log_of(broker, self.first)
        first = None if log is None else log.producers.first_unstable_offset
        if log is None or first is None or first in log.producers.open_transactions.values():
            return NOWHERE
        return first


class Aimed:
    """One blow at a time."""

    def __init__(self, nemesis: "Nemesis", world: "Troubled", rng: Random) -> None:
        self._nemesis = nemesis
        self._world = world
        self._rng = rng
        self._schedule = world.schedule
        self._network = world.network

    # --- whom ----------------------------------------------------------------------------------

    def _led(self, topics: str, isr_min: int = 1, *, is_used: bool = False) -> Led | None:
        """A partition of a topic whose name begins so, led by somebody who is up.

        is_used: something is committed there.
        """
        invariants = self._world.invariants
        found = [
            (topic, row)
            for topic, row in invariants.rows()
            if topic.startswith(topics) and row.leader >= 0 and len(row.isr) >= isr_min
            if self._world.machines[row.leader].broker is not None
            if not is_used or invariants.oracle(topic, row.partition_index).end
        ]
        return Led(self._world, *self._rng.choice(found)) if found else None

    def _controller(self) -> int | None:
        for one in self._world.machines:
            if one.host is not None and one.host.controller.node.is_leader:
                return one.number
        return None

    def _shards(self, coordinator: int) -> list[TransactionsShard]:
        """Those of transactions that a broker coordinates; none while one of them is loading."""
        broker = self._machine(coordinator).broker
        if broker is None:
            return []
        try:
            shards = broker.coordinators.transactions.shards
            return list(shards(self._world.invariants.image, coordinator))
        except KafkaError:
            return []

    def _owed(self, coordinator: int) -> set[int]:
        """Others that lead partitions of transactions whose end is decided, and not carried out."""
        image, shards = self._world.invariants.image, self._shards(coordinator)
        ended = [at for shard in shards for one in shard.unfinished() for at in one.partitions]
        rows = [image.partition(*at) for at in ended]
        return {row.leader for row in rows if row is not None} - {coordinator, NO_LEADER}

    def _machine(self, number: int) -> Machine:
        return self._world.machines[number]

    # --- when ----------------------------------------------------------------------------------

    def _after(self, ms: int, act: Act) -> None:
        self._schedule.after(ms, lambda: None if self._nemesis.is_over else act())

    def _until(
        self,
        is_so: Is,
        act: Act,
        *,
        ms_max: int,
        otherwise: Act | None = None,
        every_ms: int = 1,
    ) -> None:
        """Act as soon as something is so; not at all if it never is, or as `otherwise` says."""
        until_ms = self._schedule.now_ms + ms_max

        def look() -> None:
            if self._nemesis.is_over:
                return
            if is_so():
                act()
            elif self._schedule.now_ms < until_ms:
                self._schedule.after(every_ms, look)
            elif otherwise is not None:
                otherwise()

        look()

    # --- what ----------------------------------------------------------------------------------

    def _crash(self, number: int, *, back_ms: int | None) -> None:
        """back_ms: when it starts again; None: somebody else sees to that."""
        machine = self._machine(number)
        machine.die(is_power_lost=False)
        if back_ms is not None:
            self._start_after(back_ms, number)

    def _loses_power(self, number: int, *, back_ms: int) -> bool:
        """False if that would be outside of the promise now: others have lost pages as well."""
        if not self._is_survived(number):
            return False
        for each in self._world.machines:
            each.disk.files.faults.clear()
        self._machine(number).die(is_power_lost=True)
        self._start_after(back_ms, number)
        return True

    def _is_survived(self, number: int) -> bool:
        """Of each partition somebody else who is eligible is up."""
        return all(
            any(self._machine(each).broker is not None for each in eligible(row) if each != number)
            for _, row in self._world.invariants.rows()
            if number in eligible(row)
        )

    def _start_after(self, ms: int, number: int) -> None:
        machine = self._machine(number)
        life = machine.life

        def start() -> None:
            if machine.host is None and machine.life == life:
                self._world.start(machine)

        self._schedule.after(ms, start)

    def _start(self, number: int) -> None:
        if self._machine(number).host is None:
            self._world.start(self._machine(number))

    def _cut(self, ways: Iterable[tuple[int, int]]) -> None:
        self._network.cut.update(ways)

    def _mend(self, ways: Iterable[tuple[int, int]]) -> None:
        self._network.cut.difference_update(ways)

    def _slow_followers(self, numbers: Iterable[int], ms_mean: float, ms: int) -> None:
        for number in numbers:
            disk = self._machine(number).disk
            disk.bulk_ms_mean = ms_mean
            self._schedule.after(ms, partial(setattr, disk, "bulk_ms_mean", 0.0))

    def _with_slow_network(self, ms: int) -> None:
        self._network.weather = Weather(delay_ms_mean=SLOW_MS)
        self._after(ms, self._network.clears_up)

    def _brokers_but(self, number: int) -> list[int]:
        return [one.number for one in self._world.machines if one.number != number]

    def _order(self, led: Led, replicas: list[int], then: Act) -> None:
        """Operators want other leaders first, and that they lead."""
        index = led.first.partition_index

        def elect(_: Any) -> None:
            topics = [ElectLeadersRequestTopic(led.topic, [index])]
            request = ElectLeadersRequest(topic_partitions=topics, timeout_ms=3_000)
            self._ask(request, lambda _: None, 2)
            then()

        rows = [AlterPartitionReassignmentsRequestPartition(index, replicas)]
        topics = [AlterPartitionReassignmentsRequestTopic(led.topic, rows)]
        self._ask(AlterPartitionReassignmentsRequest(3_000, topics=topics), elect, 0)

    def _ask(self, request: object, then: Callable[[Any], None], version: int) -> None:
        controller = self._controller()
        if controller is not None:
            self._world.admin.ask(controller, request, then, version)
