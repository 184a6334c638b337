"""Transactional batches that wait for their coordinator, and those that came behind them.

Produces of one connection are read while earlier ones still wait, and each answer of a coordinator
comes by itself. Once the first batch has opened the transaction here, one that comes next needs no
answer; appended at once it would overtake those whose answers are on their way, and be refused for
its sequence. So whoever finds the same producer waiting at the same partition waits behind it.
"""

from collections.abc import Callable
from typing import NamedTuple

from data_plane.replication.partition import Partition


class Joining(NamedTuple):
    """Whose batches are to be kept in order, and where."""

    partition: Partition
    producer_id: int


class JoiningWrites:
    """No longer than what all connections together may have under way (inflight_produces_max)."""

    def __init__(self) -> None:
        self._behind: dict[Joining, list[Callable[[], None]]] = {}

    def is_under_way(self, joining: Joining) -> bool:
        """Does a batch of this producer wait for its coordinator?"""
        return joining in self._behind

    def begin(self, joining: Joining) -> None:
        """A batch waits from now on, the first one; `end` follows whatever comes of it."""
        assert joining not in self._behind, "who comes later waits behind"
        self._behind[joining] = []

    def wait(self, joining: Joining, go_on: Callable[[], None]) -> None:
        """Have `go_on` called at the end, in the order of these calls."""
        self._behind[joining].append(go_on)

    def end(self, joining: Joining) -> None:
        """Let those behind go on; the first that must ask the coordinator has the others wait."""
        for go_on in self._behind.pop(joining):
            go_on()
