"""Of what happened in a world that fails, find what it fails by: the rest is left out, one by one.

What is left happens as it did, at the same times, though the world around it is another one.
"""

import re
from typing import NamedTuple

from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.nemesis import Blow
from tests.simulation.plants import PARTITION
from tests.simulation.worlds import without_surprises

NUMBERS = re.compile(r"[0-9]+")
FAMILY_CHARS = 40


class Shrunk(NamedTuple):
    """script: all that happened; left_out: the places in it that are not needed."""

    said: str
    script: tuple[Blow, ...]
    left_out: frozenset[int]

    @property
    def needed(self) -> list[Blow]:
        pairs = enumerate(self.script)
        return [blow for at, blow in pairs if blow.name and at not in self.left_out]


def fails(
    seed: int, script: tuple[Blow, ...] = (), left_out: frozenset[int] = frozenset()
) -> tuple[str, tuple[Blow, ...]]:
    """How a world fails, empty if it does not, and what happened in it."""
    world = ClusterWorld(seed)
    world.nemesis.script, world.nemesis.left_out = script, left_out
    said = ""
    try:
        with without_surprises():
            world.run()
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    return said, tuple(world.nemesis.blows)


def shrink(seed: int) -> Shrunk:
    """The last blow is tried first; a world that fails in another way has not shown this one."""
    said, script = fails(seed)
    left_out = frozenset(at for at, blow in enumerate(script) if not blow.name)
    for at in reversed(range(len(script) if said else 0)):
        if script[at].name:
            without = left_out | {at}
            if family(fails(seed, script, without)[0]) == family(said):
                left_out = without
    return Shrunk(said, script, left_out)


def family(said: str) -> str:
    """What failures of one kind have in common."""
    return NUMBERS.sub("", PARTITION.sub(":", said))[:FAMILY_CHARS]


def told(seed: int) -> str:
    """For people."""
    shrunk = shrink(seed)
    if not shrunk.said:
        return f"seed {seed} does not fail"
    rows = [f"{blow.at_ms:8d} ms  {blow.name}" for blow in shrunk.needed]
    happened = sum(1 for blow in shrunk.script if blow.name)
    return "\n".join([shrunk.said, f"needs {len(rows)} of the {happened} that happened:", *rows])
