"""The troubles of a cluster's world; each world has some kinds, and is quiet for a quarter of it.

They stay inside the promise, or nothing could be judged: under `spread` nobody loses pages before
everybody is back with everything; while a directory is lost nobody else is hurt.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from random import Random
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.messages.incremental_alter_configs import (
    SET,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from tests.simulation import aims
from tests.simulation.aimed_groups import AimedGroups
from tests.simulation.aimed_later import AimedLater
from tests.simulation.aimed_logs import AimedLogs
from tests.simulation.aimed_stops import AimedStops
from tests.simulation.aimed_ways import AimedWays
from tests.simulation.clients import Client, Worker
from tests.simulation.cluster_invariants import ClusterInvariants
from tests.simulation.machine import Machine
from tests.simulation.plan import MAIN, NEVER, VOTERS, Plan
from tests.simulation.read_blows import ReadBlows
from tests.simulation.streams import Streams
from tests.simulation.way_blows import Connected, WayBlows

EIO = 5
AIMED_MS = 4_000  # that an aimed blow has for itself
QUIET_SHARE = 0.25
OTHER_FILE = PurePath("/other")  # of another tenant of the disk
WRITES = ["append", "sync", "sync", "sync_directory", "rename"]


class Troubled(Connected, Protocol):
    """What the nemesis needs of its world."""

    @property
    def plan(self) -> Plan: ...
    @property
    def invariants(self) -> ClusterInvariants: ...
    @property
    def admin(self) -> Client: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def workers(self) -> Sequence[Worker]: ...

    def start(self, machine: Machine) -> None: ...
    def is_everything_everywhere(self) -> bool: ...
    def new_directory_id(self) -> UUID: ...


class Blow(NamedTuple):
    """What was done at a time; before, after: the generator's state, so that it can be left out and
    all others stay as they were.
    """

    at_ms: int
    name: str  # empty: nothing was
    before: Any
    after: Any


class StoredBlow(NamedTuple):
    """One of a world that is kept (regressions.py); draws: what its own generator is made of."""

    at_ms: int
    name: str
    draws: str


class Nemesis:
    """Draws what happens next; everything is random by its own generator."""

    def __init__(self, world: Troubled, rng: Random) -> None:
        self.is_over = False
        self.is_mode_open = False  # flush.messages is changed now and then
        self.are_all_down = False  # or will be: nobody starts by itself
        self._world = world
        self._rng = rng
        self._schedule = world.schedule
        self._network = world.network
        # Until it is replaced nobody else is hurt: E may shrink to who has lost it, and then
        # every disk of E is lost, which is outside the promise.
        self._is_directory_lost = False
        self._blows_until_ms = 0  # of what was begun
        self.blows: list[Blow] = []
        self.script: Sequence[Blow] = ()  # of an earlier run of this seed: no more comes than that
        self.left_out: frozenset[int] = frozenset()  # places in the script
        self.stored: Sequence[StoredBlow] | None = None  # these and no others, at their times
        self.reads = ReadBlows(self, world, rng, self._some_machine)
        self._ways = WayBlows(world, rng, self._some_machine)
        self._aimed = {
            name: act
            for kind in (AimedLogs, AimedWays, AimedLater, AimedGroups, AimedStops)
            for name, act in kind(self, world, rng).kinds.items()
        }
        self._menu = self._chosen()

    def _chosen(self) -> list[tuple[str, Callable[[], None]]]:
        kinds = [name for name in self._kinds() if name not in aims.LATER]
        if self._world.rates.are_usual:
            kinds.remove("failed read")  # So that what is drawn there is what always was.
        drawn = self._rng.sample(kinds, self._rng.randint(1, len(kinds)))
        names = self._world.plan.troubles or drawn
        self.is_mode_open = any(name.startswith("mode changed") for name in names)
        weight = self._world.rates.weight
        return [(name, self._kinds()[name]) for name in names for _ in range(weight(name))]

    def _kinds(self) -> Mapping[str, Callable[[], None]]:
        ways = self._ways
        return {
            "process crash": self._crash,
            "power loss": self._power_loss,
            "cut": ways.cut,
            "pause": self._pause,
            "bad weather": ways.bad_weather,
            "failed write": self._failed_write,
            "failed read": self.reads.fail,
            "slow disk": self._slow_disk,
            "power loss of the site": self._site_power_loss,
            "crash of all": self._crash_of_all,
            "wall clock jump": self._wall_jump,
            "one after another": self._one_after_another,
            "lost directory": self._lost_directory,
            "mode changed": self._flush_otherwise,
            "clean stop": self._clean_stop,
            "rolling restart": self._rolling_restart,
            "full disk": self._full_disk,
            "leader lost ahead": self._leader_lost_ahead,
            "clogged ways": ways.clog,
            "clogged one after another": ways.clog_in_turn,
            "slow ways": ways.slow_ways,
            "controller resigns": self._resign,
            **{name: partial(self._aim, name) for name in self._aimed},
        }

    @property
    def kinds(self) -> list[str]:
        """The troubles that this world may have."""
        return list(dict.fromkeys(name for name, _ in self._menu))

    def begin(self) -> None:
        rates = self._world.rates
        if rates.weather != self._network.calm:
            self._world.count("bad weather all the time")
            self._network.weather = self._network.calm = rates.weather
        if self.stored is None:
            self._wait()
        for blow in self.stored or ():
            wait_ms = max(0, blow.at_ms - self._schedule.now_ms)
            self._schedule.after(wait_ms, partial(self._do_again, blow))

    def _do_again(self, blow: StoredBlow) -> None:
        if self.is_over:
            return
        self._look_at_directories()
        self._rng.seed(blow.draws)
        self._kinds()[blow.name]()

    def _look_at_directories(self) -> None:
        is_open = self._is_directory_lost and not self.reads.are_failing
        if is_open and self._world.is_everything_everywhere():
            self._is_directory_lost = False

    def _wait(self) -> None:
        self._schedule.after(self._rng.randint(*self._world.rates.wait_ms), self._again)

    def _again(self) -> None:
        if self.is_over:
            return
        self._look_at_directories()
        at, name = len(self.blows), ""
        known = self.script[at] if at < len(self.script) else None
        if known is not None:
            self._rng.setstate(known.before)
        before = self._rng.getstate()
        if at not in self.left_out and (known is not None or not self.script):
            name = self._strike()
        if known is not None:
            self._rng.setstate(known.after)
        self.blows.append(Blow(self._schedule.now_ms, name, before, self._rng.getstate()))
        self._wait()

    def _strike(self) -> str:
        if self._rng.random() <= QUIET_SHARE or self._is_directory_lost:
            return ""
        name, strike = self._rng.choice(self._menu)
        strike()
        return name

    def _aim(self, name: str) -> None:
        """One aimed blow at a time; it takes a while."""
        if not self.is_blow_under_way:
            self._blows_until_ms = self._schedule.now_ms + AIMED_MS
            self._aimed[name]()

    def _some_ms(self, name: str) -> int:
        return self._world.rates.some_ms(name, self._rng)

    # --- whom ----------------------------------------------------------------------------------

    def _some_machine(self) -> Machine:
        """Who leads a partition, half of the time."""
        leaders = [row.leader for _, row in self._world.invariants.rows() if row.leader >= 0]
        if leaders and self._rng.random() < 0.5:
            return self._world.machines[self._rng.choice(leaders)]
        return self._rng.choice(self._world.machines)

    @property
    def _rows(self) -> list[PartitionRecord]:
        return [row for _, row in self._world.invariants.rows()]

    @property
    def is_synced(self) -> bool:
        """Everything that is committed is on disk."""
        return self._world.plan.is_synced and not self.is_mode_open

    def may_lose_pages(self) -> bool:
        """`spread` survives one node at a time: everybody must be back, with everything."""
        if not self._rows:
            return False
        return self.is_synced or self._world.is_everything_everywhere()

    # --- processes -----------------------------------------------------------------------------

    def restart_later(self, machine: Machine) -> None:
        life = machine.life

        def restart() -> None:
            is_held = self.are_all_down and not self.is_over
            if machine.host is None and machine.life == life and not is_held:
                self._world.start(machine)

        self._schedule.after(self._some_ms("down"), restart)

    def _crash(self) -> None:
        self._world.count("process crash")
        machine = self._some_machine()
        machine.die(is_power_lost=False)
        self.restart_later(machine)

    def _power_loss(self) -> None:
        if self.may_lose_pages():
            self._world.count("power loss")
            machine = self._some_machine()
            machine.die(is_power_lost=True)
            self.restart_later(machine)

    def _site_power_loss(self) -> None:
        if self.is_synced and self.may_lose_pages():
            self._world.count("power loss of the site")
            for machine in self._world.machines:
                machine.die(is_power_lost=True)
                self.restart_later(machine)

    def _crash_of_all(self) -> None:
        """Nobody is left who has known anything in memory; what was written is all there."""
        if self._rows:
            self._world.count("crash of all")
            for machine in self._world.machines:
                machine.die(is_power_lost=False)
                self.restart_later(machine)

    def _one_after_another(self) -> None:
        """The leader loses power; before it has caught up the others' processes die."""
        if not self.may_lose_pages():
            return
        self._world.count("one after another")
        self._blows_until_ms = self._schedule.now_ms + 14_000
        first = self._some_machine()
        first.die(is_power_lost=True)
        self._schedule.after(self._rng.choice([20, 2_000]), lambda: self._world.start(first))

        def crash(machine: Machine) -> None:
            machine.die(is_power_lost=False)
            wait_ms = self._rng.choice([500, 9_000])
            self._schedule.after(wait_ms, lambda: self._world.start(machine))

        for other in self._world.machines:
            if other is not first:
                self._schedule.after(self._rng.randrange(4_000), partial(crash, other))

    def _leader_lost_ahead(self) -> None:
        """One follower cannot follow, the other's disk is slow; then the leader's process dies.

        If the one that is behind leads next, the other has to cut off what it had more. What was
        written first still arrives there, in the answer that was under way: it takes a while until
        there is more.
        """
        led = [
            row
            for topic, row in self._world.invariants.rows()
            if topic == MAIN and row.leader >= 0 and len(row.isr) > 2
        ]
        if not led:
            return
        self._world.count("leader lost ahead")
        row = self._rng.choice(led)
        leader = row.leader
        behind, ahead = self._rng.sample([n for n in row.replicas if n != leader][:2], 2)
        self._network.cut_both_ways({leader}, {behind})
        disk = self._world.machines[ahead].disk
        disk.bulk_ms_mean = self._rng.choice([1_000.0, 3_000.0])
        self._schedule.after(6_000, lambda: setattr(disk, "bulk_ms_mean", 0.0))

        def lose() -> None:
            self._network.cut.clear()
            machine = self._world.machines[leader]
            machine.die(is_power_lost=False)
            self.restart_later(machine)

        self._schedule.after(self._rng.choice([800, 1_600, 2_500]), lose)

    def _pause(self) -> None:
        self._world.count("pause")
        machine = self._some_machine()
        machine.pause()
        self._schedule.after(self._some_ms("pause"), machine.resume)

    def _resign(self) -> None:
        """The quorum's leader gives its place to another, as it does before a clean stop."""
        for machine in self._world.machines:
            host = machine.host
            if host is not None and host.controller.node.leads is not None:
                self._world.count("controller resigns")
                machine.post_to_quorum(machine.resign)

    def _clean_stop(self) -> None:
        self._world.count("clean stop")
        self._some_machine().stop()

    def _rolling_restart(self) -> None:
        """As the agent does it: one at a time, each only while everybody is in sync."""
        self._world.count("rolling restart")
        self._roll(list(self._world.machines), self._schedule.now_ms + 20_000)

    def _roll(self, rest: list[Machine], until_ms: int) -> None:
        if self.is_over or self._schedule.now_ms > until_ms:
            return
        if rest and self._world.is_everything_everywhere():
            rest.pop().stop()
        if rest:
            self._schedule.after(300, lambda: self._roll(rest, until_ms))

    # --- disks ---------------------------------------------------------------------------------

    def _lost_directory(self) -> None:
        if not self.is_blow_under_way and self.may_lose_directory():
            lost = self._some_machine()
            self.lose_directory(lost)
            self.restart_later(lost)
            if lost.directory_id.int & 1:
                self._restart_others(lost)

    @property
    def is_blow_under_way(self) -> bool:
        """Something that takes a while, and hurts more than one."""
        return self._schedule.now_ms < self._blows_until_ms

    def may_lose_directory(self) -> bool:
        """One at a time: the next one only when all are voters and replicas again."""
        machines = self._world.machines
        current = {(one.number, one.directory_id) for one in machines}
        seen = [
            {(key.id, key.directory_id) for key in one.host.controller.node.voters.keys}
            for one in machines
            if one.host is not None
        ]
        is_whole = not self._is_directory_lost and self._world.is_everything_everywhere()
        return is_whole and all(len(one) == VOTERS and one <= current for one in seen)

    def lose_directory(self, machine: Machine) -> None:
        """Nobody else is hurt until it is replaced."""
        self._world.count("lost directory")
        self.spare_others()
        machine.loses_directory(self._world.new_directory_id())

    def spare_others(self) -> None:
        """Until everybody is back with everything nothing else happens."""
        self._is_directory_lost = True
        for each in self._world.machines:
            each.disk.files.faults.clear()

    def _restart_others(self, machine: Machine) -> None:
        """They hold everything, and nobody has heard of them when the empty one comes first."""
        self._world.count("lost directory, all restarted")
        for other in self._world.machines:
            if other is not machine:
                other.die(is_power_lost=False)
                self.restart_later(other)

    def _failed_write(self) -> None:
        """A sync or another write fails; what was not synced is lost at once, or later."""
        if self.may_lose_pages():
            operation = self._rng.choice(WRITES)
            self._world.count(f"failed {operation}")
            self._some_machine().disk.files.fail(operation, EIO)

    def _slow_disk(self) -> None:
        self._world.count("slow disk")
        machine = self._some_machine()
        usual = self._world.plan.sync_ms_means[machine.number]
        machine.disk.sync_ms_mean = self._world.rates.some("slow disk", self._rng)
        later = partial(setattr, machine.disk, "sync_ms_mean", usual)
        self._schedule.after(4_000, later)

    def _full_disk(self) -> None:
        """Another tenant takes the room, at times the ballast's too, and gives it back."""
        self._world.count("full disk")
        disk = self._some_machine().disk
        disk.fill(OTHER_FILE, self._rng.choice([0, 100, 10 << 20]))
        if self._rng.random() < 0.5:
            later = partial(disk.fill, OTHER_FILE, self._rng.randrange(500))
            self._schedule.after(self._rng.randrange(1_500), later)
        self._schedule.after(self._some_ms("full disk"), disk.has_room)

    # --- clocks -------------------------------------------------------------------------------

    def _wall_jump(self) -> None:
        self._world.count("wall clock jump")
        if self._world.rates.are_usual:
            jump_ms = self._rng.choice([1_500, 60_000, -1_500, -60_000])
        else:
            jump_ms = self._rng.choice([-1, 1]) * self._some_ms("jump")
        self._some_machine().clock.wall_offset_ms += jump_ms

    # --- settings ------------------------------------------------------------------------------

    def _flush_otherwise(self) -> None:
        """Another flush.messages: the partitions go over to another commit mode."""
        self._world.count("mode changed")
        self.flush_each(is_so=self._rng.random() < 0.5)

    def flush_each(self, *, is_so: bool) -> None:
        config = IncrementalAlterConfigsRequestConfig(
            "flush.messages", SET, "1" if is_so else NEVER
        )
        resource = IncrementalAlterConfigsRequestResource(TOPIC_RESOURCE, MAIN, [config])
        request = IncrementalAlterConfigsRequest([resource])
        admin = self._world.admin
        admin.ask(admin.some_broker(), request, lambda _: None)
