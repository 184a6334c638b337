"""All brokers stop cleanly, as one or one by one; a directory is lost; all start."""

from collections.abc import Mapping
from functools import partial

from data_plane.metadata.leadership import eligible
from tests.simulation.aimed import Act, Aimed
from tests.simulation.machine import Machine

TOGETHER, AT_ONCE, IN_TURN = "as one", "at once", "in turn"
STOPPING_MS_MAX = 9_000  # Then whoever is left is killed, as a service manager does it.
TURN_MS = 700
LOOKS_EVERY_MS = 20


class AimedStops(Aimed):
    """What is lost is one of several directories that hold all of a partition (decision 47).

    Stopped by SIGTERM each leaves its ISRs to the others, so that the last may be alone in E. With
    its directory everything is gone, which is outside of the promise: another one is lost then.
    """

    @property
    def kinds(self) -> Mapping[str, Act]:
        return {"all stopped, directory lost": self._all_stopped_directory_lost}

    def _all_stopped_directory_lost(self) -> None:
        if not self._nemesis.may_lose_directory():
            return
        how = self._rng.choice([TOGETHER, AT_ONCE, IN_TURN])
        self._world.count(f"all stopped {how}")
        self._nemesis.are_all_down = True
        machines = self._rng.sample(self._world.machines, len(self._world.machines))
        for at, machine in enumerate(machines):
            self._after(at * TURN_MS if how == IN_TURN else at, partial(self._stop, machine, how))
        last = machines[-1] if how == IN_TURN else None
        self._until(
            self._are_all_down,
            partial(self._lose_one, last),
            ms_max=STOPPING_MS_MAX,
            otherwise=partial(self._kill_the_rest, last),
            every_ms=LOOKS_EVERY_MS,
        )

    def _stop(self, machine: Machine, how: str) -> None:
        if machine.broker is None:
            machine.die(is_power_lost=False)
        elif how == TOGETHER:
            machine.stop_together()
        else:
            machine.stop()

    def _are_all_down(self) -> bool:
        return all(one.host is None for one in self._world.machines)

    def _kill_the_rest(self, last: Machine | None) -> None:
        for machine in self._world.machines:
            machine.die(is_power_lost=False)
        self._lose_one(last)

    def _lose_one(self, last: Machine | None) -> None:
        """last: who was told to stop behind all others."""
        self._nemesis.are_all_down = False
        spare = [one for one in self._world.machines if self._is_spare(one, last)]
        if spare:
            self._world.count("directory lost while all are down")
            self._nemesis.lose_directory(self._rng.choice(spare))
        for machine in self._world.machines:
            self._start_after(self._rng.choice([20, 300, 1_500]), machine.number)

    def _is_spare(self, machine: Machine, last: Machine | None) -> bool:
        """Of each partition another one is in E, whatever is committed of the metadata.

        What somebody's log has and nobody knew to be committed may have taken others out of it,
        but not who was there when nobody else was.
        """
        rows = [row for _, row in self._world.invariants.rows()]
        if last is not None:
            return machine is not last and all(last.number in eligible(row) for row in rows)
        end = self._world.invariants.image.offset + 1
        is_known = all(one.metadata_end <= end for one in self._world.machines)
        return is_known and all(set(eligible(row)) - {machine.number} for row in rows)
