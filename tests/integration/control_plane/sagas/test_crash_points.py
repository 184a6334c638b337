"""Crashes in all other sagas (crashes.py); whatever scenario no other file takes is here."""

import pytest

from tests.integration.control_plane.sagas import crashes, scenarios
from tests.integration.control_plane.sagas.beginnings import Beginnings
from tests.integration.control_plane.sagas.scenarios import Scenario

OTHERS = [
    each
    for each in (*scenarios.ALL, *scenarios.FAILED)
    if each not in (*scenarios.PROVISIONS, *scenarios.PLAN_CHANGES, *scenarios.REPLACEMENTS)
]


@pytest.mark.parametrize(("scenario", "point"), crashes.points(OTHERS), ids=crashes.name_of)
def test_a_crash_at_any_point_changes_nothing(
    scenario: Scenario, point: str, beginnings: Beginnings
) -> None:
    came_out = crashes.outcome(beginnings, scenario, point)
    assert came_out == beginnings.undisturbed(scenario)
