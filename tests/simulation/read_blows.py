"""A part of a disk that cannot be read (EIO), once, for a while or for good."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from data_plane.log.manifest import PartitionKey
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.nemesis import Nemesis, Troubled

EIO = 5
METADATA_DIRECTORY = "/metadata/"
FILES = ["", "", "", "0000"]  # all of a replica's, or its segments with what is beside them


class ReadBlows:
    """One disk at a time; are_failing: nobody has seen to it yet."""

    def __init__(
        self,
        nemesis: "Nemesis",
        world: "Troubled",
        rng: Random,
        some_machine: Callable[[], Machine],
    ) -> None:
        self.are_failing = False
        self._nemesis = nemesis
        self._world = world
        self._rng = rng
        self._some_machine = some_machine

    def fail(self) -> None:
        """Then an operator looks, and replaces the disk if a replica is out of service there.

        Nobody else is hurt until then: what cannot be read is as good as lost.
        """
        if self._nemesis.is_blow_under_way or not self._nemesis.may_lose_directory():
            return
        machine = self._some_machine()
        part = self._some_part(machine)
        is_for_good = self._rng.random() < 0.6
        self._world.count("failed read for good" if is_for_good else "failed read")
        self.are_failing = True
        self._nemesis.spare_others()
        if is_for_good:
            machine.disk.files.unreadable.add(part)
        else:
            machine.disk.files.fail("read", EIO, part, times=self._rng.choice([1, 1, 3, 20]))
        look_ms = self._rng.choice([1_000, 3_000, 6_000])
        self._world.schedule.after(look_ms, partial(self._look_at, machine))

    def _some_part(self, machine: Machine) -> str:
        """Of the paths of a replica there, or of the metadata."""
        keys = self._keys_on(machine)
        if not keys or self._rng.random() < 0.1:
            return METADATA_DIRECTORY
        return f"{self._rng.choice(keys).directory_name}/{self._rng.choice(FILES)}"

    def _keys_on(self, machine: Machine) -> list[PartitionKey]:
        return [
            PartitionKey(row.topic_id, row.partition_index)
            for _, row in self._world.invariants.rows()
            if machine.number in row.replicas
        ]

    def _look_at(self, machine: Machine) -> None:
        if not self._nemesis.is_over:
            self.replace_disk(machine)

    def replace_disk(self, machine: Machine) -> None:
        """If a replica is out of service there; else what could not be read can be by now."""
        self.are_failing = False
        if machine.has_lost(self._keys_on(machine)):
            self._world.count("disk replaced")
            machine.loses_directory(self._world.new_directory_id())
            self._nemesis.restart_later(machine)
        files = machine.disk.files
        files.unreadable.clear()
        files.faults = [one for one in files.faults if one.operation != "read"]

    @contextmanager
    def looking_on(self) -> Iterator[None]:
        """Who only looks on reads what is there, and uses up no fault."""
        if not self.are_failing:
            yield
            return
        files = [one.disk.files for one in self._world.machines]
        hidden = [(one, one.faults, one.unreadable) for one in files]
        for one in files:
            one.faults, one.unreadable = [], set()
        try:
            yield
        finally:
            for one, faults, unreadable in hidden:
                one.faults, one.unreadable = faults, unreadable
