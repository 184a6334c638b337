"""Troubles of the ways between machines, and between them and clients: cut, clogged, slow, bad."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import Protocol

from tests.simulation.clock import Schedule
from tests.simulation.machine import CLIENTS_FROM, Machine
from tests.simulation.network import SimulatedNetwork
from tests.simulation.rates import Rates
from tests.simulation.streams import Streams

CLIENTS = range(CLIENTS_FROM, CLIENTS_FROM + 100)

Act = Callable[[], None]

SLOW_MS = 5_000
CUTS = [
    "two ways",
    "one way",
    "bridge",
    "ring of majorities",
    "for the quorum alone",
    "for connections alone",
    "for clients",
]


class Connected(Protocol):
    """What these troubles need of their world."""

    @property
    def schedule(self) -> Schedule: ...
    @property
    def network(self) -> SimulatedNetwork[int]: ...
    @property
    def machines(self) -> Sequence[Machine]: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def rates(self) -> Rates: ...

    def count(self, what: str) -> None: ...


class WayBlows:
    """Draws by the nemesis' generator; each ends by itself."""

    def __init__(self, world: Connected, rng: Random, some_machine: Callable[[], Machine]) -> None:
        self._world = world
        self._rng = rng
        self._some_machine = some_machine
        self._schedule = world.schedule
        self._network = world.network

    def _some_ms(self, name: str) -> int:
        return self._world.rates.some_ms(name, self._rng)

    def cut(self) -> None:
        kind = self._rng.choice(CUTS[:3] if self._world.rates.are_usual else CUTS)
        self._world.count(f"cut {kind}")
        numbers = [one.number for one in self._world.machines]
        one = self._some_machine().number
        others = set(numbers) - {one}
        mends = self._network.cut.clear
        if kind == "two ways":
            self._network.cut_both_ways({one}, others)
        elif kind == "one way":
            self._network.cut_one_way(*self._rng.sample([{one}, others], 2))
        elif kind == "bridge":
            self._network.cut_to_bridge(numbers, one)
        elif kind == "ring of majorities":
            self._network.cut_to_ring(self._rng.sample(numbers, len(numbers)))
        else:
            mends = self._cut_some(one, others, kind)
        self._schedule.after(self._some_ms("cut"), mends)

    def _cut_some(self, one: int, others: Iterable[int], kind: str) -> Act:
        """What is not for everything that goes there, one way or both; returns what mends it."""
        of_quorum, blocked = self._network.cut_for_frames, self._world.streams.blocked
        cut = of_quorum if kind == "for the quorum alone" else blocked
        far = CLIENTS if kind == "for clients" else others
        there, back = ways_from(one, far), ways_to(one, far)
        ways = self._rng.choice([there, back, there | back])
        cut.update(ways)
        return lambda: cut.difference_update(ways)

    def clog(self) -> None:
        """A broker's ways to another, to all or to clients hold everything back for a while."""
        one = self._some_machine().number
        peers = [machine.number for machine in self._world.machines if machine.number != one]
        others = self._rng.choice([peers, [self._rng.choice(peers)], CLIENTS])
        self._world.count("clogged ways")
        ways = self._rng.choice([ways_from(one, others), ways_to(one, others)])
        if self._rng.random() < 0.3:
            ways = ways_from(one, others) | ways_to(one, others)
        self._network.clog(ways, self._some_ms("clogged"))

    def clog_in_turn(self) -> None:
        """One broker after the other is clogged wholly, and they come free in another order."""
        self._world.count("clogged one after another")
        machines = list(self._world.machines)
        everybody = [*(one.number for one in machines), *CLIENTS]
        for machine in self._rng.sample(machines, self._rng.randint(1, len(machines))):
            ways = ways_from(machine.number, everybody) | ways_to(machine.number, everybody)
            is_usual = self._world.rates.are_usual
            ms = self._rng.randrange(500, 5_000) if is_usual else self._some_ms("clogged")
            clog = partial(self._network.clog, ways, ms)
            self._schedule.after(self._rng.randrange(2_000), clog)

    def slow_ways(self) -> None:
        self._world.count("slow ways")
        one, other = self._rng.sample([machine.number for machine in self._world.machines], 2)
        slow = self._network.slow
        ways = self._rng.choice([{(one, other)}, {(one, other), (other, one)}])
        slow.update(dict.fromkeys(ways, self._world.rates.some("slow way", self._rng)))
        self._schedule.after(SLOW_MS, slow.clear)

    def bad_weather(self) -> None:
        self._world.count("bad weather")
        self._network.weather = self._world.rates.some_weather(self._rng)
        self._schedule.after(self._some_ms("weather"), self._network.clears_up)


def ways_from(one: int, others: Iterable[int]) -> set[tuple[int, int]]:
    return {(one, other) for other in others if other != one}


def ways_to(one: int, others: Iterable[int]) -> set[tuple[int, int]]:
    return {(other, one) for other in others if other != one}
