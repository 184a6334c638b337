"""Every step of every saga, ended before its effect, after it, and after its record (C1).

Method: a run is taken up where a step begins. There, or by a seam that raises once, through
everything, the worker is gone as a process that dies; its lease is left behind. Then the sweep goes
on with a fresh worker. What comes out must equal an undisturbed run. The list of points is made
from the sagas themselves, so a new step is covered by itself.

The scenarios are divided among files, as files are among the processes of a test run.
"""

from collections.abc import Callable, Collection

from control_plane.domain.states import OperationState
from control_plane.sagas import SAGAS
from tests.factories.snapshots import snapshot
from tests.integration.control_plane.sagas import scenarios
from tests.integration.control_plane.sagas.beginnings import FIRST_MOMENT, Beginnings
from tests.integration.control_plane.sagas.scenarios import Scenario

MOMENTS = (FIRST_MOMENT, "after effect", "after record")
# How many steps of a saga have been begun when the scenario fails: so many are undone.
STEPS_UNDONE = {
    scenarios.FAILED_PROVISION: 7,
    scenarios.FAILED_GROWTH: 4,
    scenarios.FAILED_REPLACEMENT: 4,
}
Point = tuple[Scenario, str]
ROUNDS_MAX = 100
LEASE_S = 31  # the dead worker's has run out


class Killed(BaseException):
    """The end of a process: nothing catches it."""


def die_at(point: str) -> Callable[[str], None]:
    """Return a seam that raises at `point`, the first time only."""
    lives = [point]

    def seam(label: str) -> None:
        if label in lives:
            lives.remove(label)
            raise Killed

    return seam


def points(of: Collection[Scenario]) -> list[Point]:
    """Where a process may end in these scenarios."""
    return [
        (scenario, f"{direction} {step.name}: {moment}")
        for scenario in of
        for direction, steps in (_way(scenario),)
        for step in SAGAS[scenario.kind].steps[:steps]
        for moment in MOMENTS
    ]


def _way(scenario: Scenario) -> tuple[str, int | None]:
    """Whether its steps are done or undone, and how many of them; None: all."""
    undone = STEPS_UNDONE.get(scenario)
    return ("do", None) if undone is None else ("undo", undone)


def name_of(part: object) -> object:
    """Test ids: a scenario by its name, a point as it is."""
    return part.name if isinstance(part, Scenario) else part


def outcome(beginnings: Beginnings, scenario: Scenario, point: str) -> object:
    """Run the operation, killed once at `point`; returns the snapshot of what comes out."""
    label, _, moment = point.partition(": ")
    begun = beginnings.at_step(scenario, label)
    world = begun.world
    deaths = 0
    if moment == FIRST_MOMENT:
        deaths = 1  # that is what was kept: claimed, and nothing done
        world.wait(LEASE_S)
    else:
        beginnings.give_lease_back(begun)
        world.seam = die_at(point)
    for _ in range(ROUNDS_MAX):
        try:
            world.run(begun.operation_id)
        except Killed:
            deaths += 1
            world.wait(LEASE_S)
            continue
        world.report()
        state = world.operation(begun.operation_id).state
        if state in {OperationState.SUCCEEDED, OperationState.FAILED}:
            break
        world.wait(5)
    assert deaths == 1, f"{point} was never passed"
    world.report()
    return snapshot(world)
