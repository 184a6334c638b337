"""What a fault is: it begins, lasts, and is over when the rig is whole again."""

import random
from collections.abc import Sequence
from typing import ClassVar, Protocol

from tests.chaos.rig import Rig


class Fault(Protocol):
    """Made for one occasion; `begin` and `end` are called once each."""

    name: ClassVar[str]
    partitions: Sequence[str]  # that it hit, by name, once it has begun; empty: any

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        """seconds_max: the longest that it may last."""

    @property
    def seconds(self) -> float:
        """How long to leave it so."""

    def begin(self) -> str:
        """Do it; returns what it was done to."""

    def end(self) -> None:
        """Undo it; returns once the brokers serve again."""
