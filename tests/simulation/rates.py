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

# What a world's own range lies within. Milliseconds, but for the shares.
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
# Where the blow is what counts, in aimed worlds and in those that are kept, all else is as usual:
# one of these. It is drawn as it always was, so that what was found in such a world stays there.
USUAL: Final[Mapping[str, tuple[float, ...]]] = {
    "down": (20, 500, 3_000, 9_000),
    "cut": (500, 4_000, 9_000),
    "pause": (200, 3_000, 8_000),
    "clogged": (300, 1_500, 5_000),
    "weather": (4_000,),
    "slow way": (30.0, 200.0, 1_000.0),
    "slow disk": (20.0, 200.0, 1_000.0),
    "full disk": (2_000, 7_000),
}
USUAL_WEATHER: Final = (0.3, 0.2, (1, 10, 80), 0.05)
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
    ranges: Mapping[str, Range] = field(default_factory=dict)
    seed: int | None = None  # None: all is as usual, and no trouble more frequent than another

    @property
    def are_usual(self) -> bool:
        return self.seed is None

    def some(self, name: str, rng: Random) -> float:
        """Within this world's range, as likely between 1 and 2 as between 10 and 20."""
        if self.are_usual:
            return rng.choice(USUAL[name]) if len(USUAL[name]) > 1 else USUAL[name][0]
        return scaled(self.ranges[name], rng)

    def some_ms(self, name: str, rng: Random) -> int:
        return round(self.some(name, rng))

    def some_weather(self, rng: Random) -> Weather:
        if self.are_usual:
            loss, repeats, delays_ms, stale = USUAL_WEATHER
            draw = rng.random
            return Weather(draw() * loss, draw() * repeats, rng.choice(delays_ms), draw() * stale)
        loss, repeats, delay_ms, stale = (self.some(name, rng) for name in WEATHER)
        return Weather(loss, repeats, delay_ms, stale)

    def weight(self, trouble: str) -> int:
        if self.are_usual:
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
