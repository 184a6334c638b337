"""Every step of every saga, ended before its effect, after it, and after its record (C1).

Method: the seam raises at one point, once, through everything, as a dying process would; the lease
is left behind. Then the sweep goes on with a fresh worker. What comes out must equal an undisturbed
run. The list of points is made from the sagas themselves, so a new step is covered by itself.
"""

from collections.abc import Callable

import pytest

from control_plane.domain.states import OperationState
from control_plane.sagas import SAGAS
from tests.factories.control_plane import World
from tests.factories.snapshots import snapshot
from tests.integration.control_plane.sagas import scenarios
from tests.integration.control_plane.sagas.scenarios import Scenario

MOMENTS = ("before effect", "after effect", "after record")


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


def points() -> list[tuple[Scenario, str]]:
    done = [
        (scenario, f"do {step.name}: {moment}")
        for scenario in scenarios.ALL
        for step in SAGAS[scenario.kind].steps
        for moment in MOMENTS
    ]
    undone = [
        (scenario, f"undo {step.name}: {moment}")
        for scenario, count in ((scenarios.FAILED_PROVISION, 7), (scenarios.FAILED_GROWTH, 4))
        for step in SAGAS[scenario.kind].steps[:count]
        for moment in MOMENTS
    ]
    return done + undone


@pytest.mark.parametrize(
    ("scenario", "point"), points(), ids=lambda each: getattr(each, "name", each)
)
def test_a_crash_at_any_point_changes_nothing(
    scenario: Scenario, point: str, world: World, expected: dict[Scenario, object]
) -> None:
    started = scenario.start(world)
    world.seam = die_at(point)
    deaths = 0
    for _ in range(100):
        try:
            world.run(started)
        except Killed:
            deaths += 1
            world.wait(31)  # the dead worker's lease runs out
            continue
        world.report()
        if world.operation(started).state in {OperationState.SUCCEEDED, OperationState.FAILED}:
            break
        world.wait(5)
    assert deaths == 1, f"{point} was never passed"
    world.report()
    assert snapshot(world) == expected[scenario]
