"""How often troubles come in one world, how severe they are and how long they last (swarm testing).

Not only which: a world whose cuts all last a moment shows other things than one whose cuts all
outlast the sessions. Each rate has a random stream of its own, by its name, so that a draw more in
one shifts no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log
from random import Random
from typing import Final

from tests.simulation.network import Weather

Range = tuple[float, float]

# What a world's own range lies within, and what it is in a world that is aimed: there the blow is
# what counts, and all else is as usual. Milliseconds, but for the shares.
LIMITS: Final[Mapping[str, Range]] = {
    "down": (20, 12_000),  # until a process starts again
    "cut": (200, 14_000),
    "pause": (100, 12_000),
    "clogged": (200, 8_000),
    "weather": (1_000, 9_000),
    "slow way": (10, 1_500),  # on average, for one message
    "slow disk": (5, 1_500),  # on average, for one sync
    "full disk": (1_000, 9_000),
    "jump": (500, 120_000),  # of a wall clock
    "loss": (0.001, 0.3),  # of messages
    "repeats": (0.001, 0.2),
    "delay": (1, 80),
    "stale": (0.001, 0.05),
}
USUAL: Final[Mapping[str, Range]] = {
    **LIMITS,
    "down": (20, 9_000),
    "cut": (500, 9_000),
    "pause": (200, 8_000),
    "clogged": (300, 5_000),
    "weather": (4_000, 4_001),
    "slow way": (30, 1_000),
    "slow disk": (20, 1_000),
    "full disk": (2_000, 7_000),
    "jump": (1_500, 60_000),
}
USUAL_WAIT_MS: Final = (300, 4_000)
WAITS_MS: Final = ((100, 1_200), (300, 2_500), USUAL_WAIT_MS, USUAL_WAIT_MS, (1_500, 8_000))
WEIGHTS: Final = (1, 1, 1, 2, 5)
BAD_WEATHER_SHARE: Final = 0.2  # of worlds have some all the time
CLEAR: Final = Weather()
WEATHER: Final = ("loss", "repeats", "delay", "stale")
HALF_SHARE: Final = 0.15  # of worlds have a clock that is wrong by half
HALVES: Final = (1.5, 1 / 1.5)


@dataclass(frozen=True, slots=True)
class Rates:
    """wait_ms: between one trouble and the next. weather: while nothing worse comes.

    ranges: by name; weights: of troubles, where it is not 1.
    """

    wait_ms: tuple[int, int] = USUAL_WAIT_MS
    weather: Weather = CLEAR
    ranges: Mapping[str, Range] = field(default_factory=lambda: USUAL)
    seed: int | None = None  # None: every trouble is as frequent as any other

    def some(self, name: str, rng: Random) -> float:
        """Within this world's range, as likely between 1 and 2 as between 10 and 20."""
        return scaled(self.ranges[name], rng)

    def some_ms(self, name: str, rng: Random) -> int:
        return round(self.some(name, rng))

    def some_weather(self, rng: Random) -> Weather:
        loss, repeats, delay_ms, stale = (self.some(name, rng) for name in WEATHER)
        return Weather(loss, repeats, delay_ms, stale)

    def weight(self, trouble: str) -> int:
        if self.seed is None:
            return 1
        return Random(f"{self.seed} weight of {trouble}").choice(WEIGHTS)


def drawn(seed: int, *, is_aimed: bool) -> Rates:
    if is_aimed:
        return Rates()
    ranges = {name: _range(Random(f"{seed} rate of {name}"), name) for name in LIMITS}
    weather = Random(f"{seed} rate of all weather")
    found = Rates(Random(f"{seed} rate of troubles").choice(WAITS_MS), CLEAR, ranges, seed)
    if weather.random() >= BAD_WEATHER_SHARE:
        return found
    return Rates(found.wait_ms, found.some_weather(weather), ranges, seed)


def wrong_clock(seed: int, machines: int) -> tuple[int, float] | None:
    """Whose clock runs so many times as fast as time; None: nobody's."""
    rng = Random(f"{seed} rate of clocks")
    if rng.random() >= HALF_SHARE:
        return None
    return rng.randrange(machines), rng.choice(HALVES)


def _range(rng: Random, name: str) -> Range:
    one, other = (scaled(LIMITS[name], rng) for _ in range(2))
    return min(one, other), max(one, other)


def scaled(limits: Range, rng: Random) -> float:
    """A number between two, its logarithm uniform."""
    low, high = limits
    return exp(rng.uniform(log(low), log(high)))
