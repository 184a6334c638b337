"""What it takes to plant a bug, to see that it comes to bear, and what a world says of it.

A bug is a small replacement of production code by what a plausible slip would have made of it. It
says `bites` wherever it does something else than the right code would: a bug that never bites was
not looked for, whatever the worlds say.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import NamedTuple

import pytest

from data_plane.protocol.errors import KafkaError
from tests.simulation.worlds import (
    CLUSTER,
    World,
    aim_of,
    features_of,
    trace_of,
    without_surprises,
    world_of,
)

PARTITION = re.compile(r" \(PartitionRecord\(.*\)\):")  # too long for a line
SAID_MAX = 160  # characters of what a world says, kept for people
# What production code of a plant may raise on purpose.
MEANT = (AssertionError, KafkaError)


class Plant:
    """One planting, while it lasts."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.bites_count = 0
        self._patch = patch

    def replace(self, owner: object, name: str, value: object) -> None:
        """Let production's attribute be another one until the planting ends."""
        self._patch.setattr(owner, name, value)

    def bites(self) -> None:
        """From here on something else happens than the right code would do."""
        self.bites_count += 1


class Planted(NamedTuple):
    """One bug of the bank; world: which kind of world is to show it.

    needs: what a world has to have, all of it, or the bug cannot come to bear there, and the world
    is not looked through for it. aim: the blow that brings it to bear; it is looked for where
    nothing else comes (aims.py).
    """

    name: str
    plant: Callable[[Plant], None]
    world: str = CLUSTER
    needs: tuple[str, ...] = ()
    aim: str = ""

    def seeds(self, first: int) -> Iterator[int]:
        """Where to look for it, from a seed on."""
        aimed = (one for one in count(first) if not self.aim or aim_of(self.world, one) == self.aim)
        return (one for one in aimed if features_of(self.world, one).issuperset(self.needs))


class Shown(NamedTuple):
    """What one world came to. said: how it failed, empty if it did not.

    trace: of all that happened until then; two runs of a seed with one code have the same.
    """

    said: str
    trace: str
    bites: int = 0


class BrokenPlant(Exception):
    """The replacement itself does not work; nothing was found by it."""


@contextmanager
def planting(planted: Planted) -> Iterator[Plant]:
    """Production code with one bug, for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        plant = Plant(patch)
        planted.plant(plant)
        yield plant


def look_at(kind: str, seed: int, *, plant: Callable[[Plant], None] | None = None) -> Shown:
    """As `look_into`, the world of a seed."""
    return look_into(world_of(kind, seed), plant=plant)


def look_into(world: World, *, plant: Callable[[Plant], None] | None = None) -> Shown:
    """Run one world, to its end or to the first thing that is wrong.

    plant: what is planted; raises BrokenPlant if what failed is that.
    """
    said = ""
    try:
        with without_surprises():
            world.run()
    except Exception as error:
        if plant is not None:
            _refuse_slip(error, plant)
        said = PARTITION.sub(":", f"{type(error).__name__}: {error}")[:SAID_MAX]
    return Shown(said, trace_of(world))


def _refuse_slip(error: BaseException, plant: Callable[[Plant], None]) -> None:
    """Its own code has failed, or could not be called as the right code is by now."""
    cause = error.__cause__ or error
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    is_miscalled = isinstance(cause, TypeError) and f"{plant.__qualname__}.<locals>" in str(cause)
    is_within = frame.filename == plant.__code__.co_filename and not isinstance(cause, MEANT)
    if is_within or is_miscalled:
        raise BrokenPlant(f"{frame.filename}:{frame.lineno}: {cause}") from error


def look_for(planted: Planted, seed: int) -> Shown:
    """As `look_at`, with the bug planted."""
    with planting(planted) as plant:
        shown = look_at(planted.world, seed, plant=planted.plant)
        return shown._replace(bites=plant.bites_count)


def is_shown(planted: Planted, seed: int, shown: Shown) -> bool:
    """The world failed because of the bug: that did something, and without it nothing fails."""
    return bool(shown.said) and shown.bites > 0 and not said_without_bug(planted.world, seed)


@cache
def said_without_bug(kind: str, seed: int) -> str:
    """How a world of the code as it is fails; empty: it does not."""
    return look_at(kind, seed).said
