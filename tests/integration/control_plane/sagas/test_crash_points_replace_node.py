"""Crashes while a lost node is replaced, and while that is undone (crashes.py)."""

import pytest

from tests.integration.control_plane.sagas import crashes, scenarios
from tests.integration.control_plane.sagas.beginnings import Beginnings
from tests.integration.control_plane.sagas.scenarios import Scenario


@pytest.mark.parametrize(
    ("scenario", "point"), crashes.points(scenarios.REPLACEMENTS), ids=crashes.name_of
)
def test_a_crash_at_any_point_changes_nothing(
    scenario: Scenario, point: str, beginnings: Beginnings
) -> None:
    came_out = crashes.outcome(beginnings, scenario, point)
    assert came_out == beginnings.undisturbed(scenario)
