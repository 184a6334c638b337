"""A whole metadata quorum in one process: production nodes, hosts and disks, simulated faults."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import permutations
from random import Random
from uuid import UUID

from data_plane.protocol.errors import NotController
from data_plane.raft.node import NotLeader
from data_plane.raft.view import view_of
from data_plane.raft.voters import ChangeRefused, Voter, VoterKey, VoterSet
from tests.simulation import rates
from tests.simulation.clock import Schedule
from tests.simulation.invariants import QuorumInvariants, Violation
from tests.simulation.network import SimulatedNetwork
from tests.simulation.quorum_blows import RARE, VOTERS, drawn_aim
from tests.simulation.quorum_node import QuorumNode
from tests.simulation.quorum_voter_blows import VoterBlows
from tests.simulation.rare_paths import QUORUMS, drawn, forced

FAULTS_MS = 30_000  # how long a world is troubled
HEALING_MS = 20_000  # within which everything must have come together again
AIMED_TROUBLE_MS = (300, 1_500)
NODES = 5  # three voters at first, two that may become some


@dataclass(slots=True)
class Tally:
    """What happened, so that nobody takes a quiet world for a proof."""

    decided: int = 0
    acknowledged: int = 0
    read: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class QuorumWorld:
    """One seed. Randomness is split by name, so that one draw more does not shift all others."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        aim = drawn_aim(seed)
        self.rare = RARE.get(aim, ()) if aim else drawn(seed, QUORUMS)
        self.rates = rates.drawn(seed, is_aimed=bool(aim))
        self._trouble_ms = AIMED_TROUBLE_MS if aim else self.rates.wait_ms
        self.schedule = Schedule()
        self.tally = Tally()
        self._trace = hashlib.blake2b(digest_size=8)
        self._nemesis = Random(f"{seed} nemesis")
        self._workload = Random(f"{seed} workload")
        self.network: SimulatedNetwork[int] = SimulatedNetwork(
            self.schedule, Random(f"{seed} network")
        )
        self._directories = Random(f"{seed} directories")
        numbers = range(VOTERS.get(aim, 3))
        voters = VoterSet(
            tuple(Voter(VoterKey(at, self._new_directory()), f"host:{at}") for at in numbers)
        )
        self.invariants = QuorumInvariants(voters)
        self._outcomes: dict[str, object] = {}
        self._acknowledged_end = 0
        self.nodes: list[QuorumNode] = []
        log_bytes_max = self._nemesis.choice([600, 3_000, 1 << 20])
        for number in range(NODES):
            is_voter = number < len(voters)
            self.nodes.append(
                QuorumNode(
                    number,
                    self.schedule,
                    self.network,
                    self.invariants,
                    rng=Random(f"{seed} node {number}"),
                    numbers=lambda: list(range(NODES)),
                    initial=voters if is_voter else VoterSet(),
                    directory_id=voters.voters[number].key.directory_id
                    if is_voter
                    else self._new_directory(),
                    log_bytes_max=log_bytes_max,
                )
            )
        self._blows = VoterBlows(
            self.schedule,
            self.network,
            self.nodes,
            self._nemesis,
            count=self._count,
            may_lose_directory=lambda: not self._is_churning and self._has_three_voters(),
            new_directory=self._new_directory,
        )
        self._menu = self._chosen_faults()
        # Who is told to stand does so whatever lease there is; here nobody's leader told him.
        self._is_contested = any(one in self._menu for one in self._blows.contesting)
        self._is_churning = self._nemesis.random() < 0.3  # voters come and go all the time

    @property
    def trace(self) -> str:
        """Of all that happened so far: each event's time, and what was committed then."""
        return self._trace.hexdigest()

    def _new_directory(self) -> UUID:
        return UUID(int=self._directories.getrandbits(128), version=4)

    # --- the run -------------------------------------------------------------------------------

    def run(self) -> Tally:
        """Raises Violation, or what a node raised; both name the seed."""
        with forced(self.rare):
            return self._run()

    def _run(self) -> Tally:
        try:
            for node in self.nodes:
                node.start()
            if self.rates.weather != self.network.calm:
                self._count("bad weather all the time")
                self.network.weather = self.network.calm = self.rates.weather
            self._let_a_clock_go_wrong()
            self._every(40, 160, self._ask)
            self._every(*self._trouble_ms, self._cause_trouble)
            if self._is_churning:
                self._every(30, 300, self._churn)
            self._every(500, 1_500, self._change_voters)
            self.schedule.run(FAULTS_MS, self.check)
            self._heal()
            self.schedule.run(FAULTS_MS + HEALING_MS, self.check)
            self._judge()
        except Exception as error:
            error.add_note(f"seed {self.seed}, at {self.schedule.now_ms} ms")
            raise
        return self.tally

    def check(self) -> None:
        self._trace.update(b"%d %d " % (self.schedule.now_ms, self.invariants.committed_end.offset))
        alive = [node for node in self.nodes if node.host is not None]
        quorum = [node.node for node in alive if node.node is not None]
        self.invariants.looked_at(quorum)
        leaders = [
            (node.node, node.clock_ms())
            for node in alive
            if node.node is not None and node.node.leads is not None
        ]
        if len(leaders) > 1 and not self._is_contested:
            self.invariants.leases(leaders)

    def _every(self, ms_min: int, ms_max: int, act: Callable[[], None]) -> None:
        def again() -> None:
            if self.schedule.now_ms < FAULTS_MS + HEALING_MS - 3_000:
                act()
                self.schedule.after(self._nemesis.randint(ms_min, ms_max), again)

        self.schedule.after(self._nemesis.randint(ms_min, ms_max), again)

    # --- work ----------------------------------------------------------------------------------

    def _ask(self) -> None:
        """A client asks any node; most of the time one that leads, or believes so."""
        self.tally.decided += 1
        name = f"key {self._workload.randrange(20)}"
        value = f"value {self.tally.decided}"
        believers = [n for n in self.nodes if n.node is not None and n.node.leads is not None]
        node = self._workload.choice(believers or self.nodes)
        if self._workload.random() < 0.3:
            known = self._acknowledged_end
            node.read(lambda said: self._read(said, known))
            return
        node.decide(name, value, lambda said: self._answered(value, said))

    def _answered(self, value: str, said: object) -> None:
        """An acknowledged entry is committed already; a refused one never will be."""
        self._outcomes[value] = said
        is_there = value in self.invariants.values
        if said == "ok":
            self.tally.acknowledged += 1
            if not is_there:
                raise Violation(f"{value} was acknowledged and is not committed")
            self._acknowledged_end = max(self._acknowledged_end, self.invariants.values[value])

    def _read(self, said: object, known: int) -> None:
        """What somebody was told before the question is part of every answer."""
        if isinstance(said, int) and not self._is_contested:
            self.tally.read += 1
            if said < known:
                raise Violation(f"stale read: {said}, but {known} was acknowledged before")

    def _change_voters(self) -> None:
        """Bring the voters back to three of those that are there, now and then others."""
        for node in self.nodes:
            raft = node.node
            if raft is None or node.paused is not None or not raft.is_leader:
                continue
            with suppress(NotLeader, ChangeRefused, NotController):
                self._change(node)

    def _churn(self) -> None:
        """Any change at all, by whoever believes to lead; several at once if it lets us."""
        if self.schedule.now_ms >= FAULTS_MS:
            return
        for node in self.nodes:
            if (
                node.host is None
                or node.paused is not None
                or node.host.controller.node.leads is None
            ):
                continue
            controller = node.host.controller
            for _ in range(2):
                one = self._nemesis.choice(self.nodes)
                with suppress(NotLeader, ChangeRefused, NotController):
                    if one.key in controller.node.voters and len(controller.node.voters) > 2:
                        controller.remove_voter(one.key)
                        self._count("voter removed")
                    else:
                        controller.add_voter(Voter(one.key, f"host:{one.number}"))
                        self._count("voter added")
            node.host.pump()

    def _change(self, node: QuorumNode) -> None:
        assert node.host is not None, "it was looked at"
        controller = node.host.controller
        view = view_of(controller.node)
        current = {one.number: one.key for one in self.nodes}
        gone = [one.key for one in view.voters if one.key != current.get(one.key.id)]
        if gone:
            controller.remove_voter(gone[0])
            self._count("voter of a lost directory removed")
        elif len(view.voters) < 3:
            ready = [one for one in view.observers if 0 <= one.caught_up_ms < 2_000]
            taken = {one.key.id for one in view.voters}
            chosen = [one for one in ready if one.key.id not in taken]
            if chosen:
                controller.add_voter(Voter(chosen[0].key, f"host:{chosen[0].key.id}"))
                self._count("voter added")
        elif self._nemesis.random() < 0.1 and self.schedule.now_ms < FAULTS_MS:
            controller.remove_voter(self._nemesis.choice(view.voters).key)
            self._count("voter removed")
        node.host.pump()

    # --- trouble -------------------------------------------------------------------------------

    def _chosen_faults(self) -> list[Callable[[], None]]:
        """Each world has some kinds of trouble only; a few have none."""
        kinds = [
            self._power_loss,
            self._process_death,
            self._pause,
            self._cut,
            self._bad_weather,
            self._clog,
            self._slow_ways,
            self._full_disk,
            self._slow_disk,
            self._failed_sync,
            self._lost_directory,
            self._wall_jump,
            self._hand_over,
            self._all_lose_power,
            *self._blows.all,
        ]
        aim = drawn_aim(self.seed)
        if aim:
            return [self._blows.of(aim)]
        if self._nemesis.random() < 0.05:
            return []
        return self._nemesis.sample(kinds, self._nemesis.randint(1, len(kinds)))

    def _cause_trouble(self) -> None:
        if self._menu and self.schedule.now_ms < FAULTS_MS:
            self._nemesis.choice(self._menu)()

    def _count(self, what: str) -> None:
        self.tally.faults[what] = self.tally.faults.get(what, 0) + 1

    def _some_node(self) -> QuorumNode:
        """A leader half of the time."""
        leaders = [n for n in self.nodes if n.node is not None and n.node.leads is not None]
        if leaders and self._nemesis.random() < 0.5:
            return self._nemesis.choice(leaders)
        return self._nemesis.choice(self.nodes)

    def _restart_later(self, node: QuorumNode) -> None:
        def restart() -> None:
            if node.host is None:
                node.start()

        self.schedule.after(self._some_ms("down"), restart)

    def _some_ms(self, name: str) -> int:
        return self.rates.some_ms(name, self._nemesis)

    def _power_loss(self) -> None:
        self._count("power loss")
        node = self._some_node()
        node.die()
        self._restart_later(node)

    def _all_lose_power(self) -> None:
        self._count("power loss of all")
        for node in self.nodes:
            node.die()
            self._restart_later(node)

    def _process_death(self) -> None:
        self._count("process death")
        node = self._some_node()
        node.die(is_power_lost=False)
        self._restart_later(node)

    def _pause(self) -> None:
        self._count("pause")
        node = self._some_node()
        node.pause()
        self.schedule.after(self._some_ms("pause"), node.resume)

    def _cut(self) -> None:
        numbers = list(range(NODES))
        kind = self._nemesis.choice(["two ways", "one way", "bridge", "ring of majorities"])
        self._count(f"cut {kind}")
        one = {self._some_node().number}
        others = set(numbers) - one
        if kind == "two ways":
            self.network.cut_both_ways(one, others)
        elif kind == "one way":
            pair = [one, others] if self._nemesis.random() < 0.5 else [others, one]
            self.network.cut_one_way(*pair)
        elif kind == "bridge":
            self._nemesis.shuffle(numbers)
            self.network.cut_to_bridge(numbers, numbers[0])
        else:
            self.network.cut_to_ring(self._ring(numbers))
        self.schedule.after(self._some_ms("cut"), self.network.cut.clear)

    def _ring(self, numbers: list[int]) -> list[int]:
        """Of all, or of those that vote: what is a majority of the others is none of theirs."""
        voting = [one.id for one in self.invariants.voters.keys]
        if len(voting) > 1 and self._nemesis.random() < 0.5:
            return self._nemesis.sample(voting, len(voting))
        return self._nemesis.sample(numbers, len(numbers))

    def _clog(self) -> None:
        """Some ways hold everything back for a while, then deliver all of it."""
        self._count("clogged ways")
        one = self._some_node().number
        ways = [way for way in permutations(range(NODES), 2) if one in way]
        some = self._nemesis.sample(ways, self._nemesis.randint(1, len(ways)))
        self.network.clog(some, self._some_ms("clogged"))

    def _slow_ways(self) -> None:
        self._count("slow ways")
        ways = list(permutations(range(NODES), 2))
        some = self._nemesis.sample(ways, self._nemesis.randint(1, NODES))
        slow = self.network.slow
        slow.update(dict.fromkeys(some, self.rates.some("slow way", self._nemesis)))
        self.schedule.after(5_000, slow.clear)

    def _bad_weather(self) -> None:
        self._count("bad weather")
        self.network.weather = self.rates.some_weather(self._nemesis)
        self.schedule.after(self._some_ms("weather"), self.network.clears_up)

    def _full_disk(self) -> None:
        self._count("full disk")
        node = self._some_node()
        disk = node.disk
        disk.fills_up()

        def empty() -> None:
            disk.has_room()
            if node.host is not None and node.paused is None:
                node.host.retry()

        self.schedule.after(self._some_ms("full disk"), empty)

    def _slow_disk(self) -> None:
        self._count("slow disk")
        disk = self._some_node().disk
        disk.sync_ms_mean = self.rates.some("slow disk", self._nemesis)

        def hurry() -> None:
            disk.sync_ms_mean = 1.0

        self.schedule.after(4_000, hurry)

    def _failed_sync(self) -> None:
        self._count("failed sync")
        node = self._some_node()
        if node.host is not None:
            node.disk.files.fail("sync", 5)
            self._restart_later(node)

    def _lost_directory(self) -> None:
        """One at a time: the next one only when three voters with their directories are there."""
        if self._is_churning or not self._has_three_voters():
            return
        self._count("lost directory")
        node = self._nemesis.choice(self.nodes)
        node.loses_directory(self._new_directory())
        self._restart_later(node)

    def _has_three_voters(self) -> bool:
        """As committed, and nobody has begun to change that: of two voters none may be lost."""
        voters = self.invariants.voters
        current = {one.key for one in self.nodes}
        is_changing = any(
            n.node is not None and n.node.is_voter and n.node.voters != voters for n in self.nodes
        )
        return len(voters) == 3 and current.issuperset(voters.keys) and not is_changing

    def _let_a_clock_go_wrong(self) -> None:
        wrong = None if drawn_aim(self.seed) else rates.wrong_clock(self.seed, NODES)
        if wrong is not None:
            number, times = wrong
            self._count(f"clock {times:.2g} times as fast")
            self.nodes[number].clock.goes_wrong(times)

    def _wall_jump(self) -> None:
        self._count("wall clock jump")
        self._some_node().clock.wall_offset_ms += self._nemesis.choice([-5_000, -900, 900, 5_000])

    def _hand_over(self) -> None:
        for node in self.nodes:
            if (
                node.host is not None
                and node.paused is None
                and node.host.hand_over(node.clock_ms())
            ):
                self._count("hand over")
                node.host.pump()

    # --- the end -------------------------------------------------------------------------------

    def _heal(self) -> None:
        self.network.heal()
        for node in self.nodes:
            node.resume()
            node.clock.is_put_right()
            node.disk.has_room()
            node.disk.sync_ms_mean = 1.0
            node.disk.files.faults.clear()
            if node.host is None:
                node.start()
            else:
                node.host.retry()

    def _judge(self) -> None:
        """One leader, every node with the same log, every answer true."""
        leaders = [n for n in self.nodes if n.node is not None and n.node.is_leader]
        if len(leaders) != 1:
            raise Violation(f"convergence: {len(leaders)} leaders")
        images = {
            (n.host.controller.committed.offset, repr(n.host.controller.committed.configs))
            for n in self.nodes
            if n.host is not None
        }
        if len(images) != 1:
            ends = [n.host and n.host.controller.committed.offset for n in self.nodes]
            raise Violation(f"convergence: images differ, {ends}")
        committed = self.invariants.values
        for value, said in self._outcomes.items():
            if isinstance(said, NotController) and value in committed:
                raise Violation(f"{value} was refused for good and is committed")
        if not self.tally.acknowledged:
            raise Violation("no load: nothing was acknowledged in this world")
