"""Of what happened in a world that fails, find what it fails by: the rest is left out, one by one.

What is left happens as it did, at the same times, though the world around it is another one. Then
the world is healed as early as it still fails: what would have come behind is not needed either.
"""

import re
from typing import NamedTuple

from tests.simulation.cluster_world import FAULTS_MS, ClusterWorld
from tests.simulation.nemesis import Blow
from tests.simulation.plants import PARTITION
from tests.simulation.worlds import without_surprises

NUMBERS = re.compile(r"[0-9]+")
FAMILY_CHARS = 40
HORIZON_STEP_MS = 250  # to which the time until the heal is found


class Shrunk(NamedTuple):
    """script: all that happened; left_out: the places in it that are not needed.

    faults_ms: how long the world has to be troubled, from when it is up.
    """

    said: str
    script: tuple[Blow, ...]
    left_out: frozenset[int]
    faults_ms: int = FAULTS_MS

    @property
    def needed(self) -> list[Blow]:
        pairs = enumerate(self.script)
        return [blow for at, blow in pairs if blow.name and at not in self.left_out]


def fails(
    seed: int,
    script: tuple[Blow, ...] = (),
    left_out: frozenset[int] = frozenset(),
    faults_ms: int = FAULTS_MS,
) -> tuple[str, tuple[Blow, ...]]:
    """How a world fails, empty if it does not, and what happened in it."""
    world = ClusterWorld(seed)
    world.nemesis.script, world.nemesis.left_out = script, left_out
    world.faults_ms = faults_ms
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
    return with_shorter_horizon(seed, Shrunk(said, script, left_out))


def with_shorter_horizon(seed: int, shrunk: Shrunk) -> Shrunk:
    """Halve the time in which the earliest heal lies that still lets the world fail so."""
    low, high = 0, shrunk.faults_ms // HORIZON_STEP_MS
    while shrunk.said and low < high:
        middle = (low + high) // 2
        said, _ = fails(seed, shrunk.script, shrunk.left_out, middle * HORIZON_STEP_MS)
        if family(said) == family(shrunk.said):
            high = middle
        else:
            low = middle + 1
    happened = [at for at, blow in enumerate(shrunk.script) if blow.name]
    shorter = shrunk._replace(faults_ms=high * HORIZON_STEP_MS)
    if not shrunk.said or high * HORIZON_STEP_MS == FAULTS_MS:
        return shrunk
    _, blows = fails(seed, shorter.script, shorter.left_out, shorter.faults_ms)
    return shorter._replace(left_out=shorter.left_out | {at for at in happened if at >= len(blows)})


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
    needs = f"needs {len(rows)} of the {happened} that happened"
    time = f"and {shrunk.faults_ms} of {FAULTS_MS} ms until all is healed"
    return "\n".join([shrunk.said, f"{needs}, {time}:", *rows])
