"""UpdateFeatures over the wire: what is refused is refused at the top, in every version."""

import pytest

from data_plane.broker.handlers.update_features import VERSIONS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.update_features import (
    UpdateFeaturesRequest,
    UpdateFeaturesRequestFeature,
)
from tests.unit.data_plane.broker.world import World


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_feature_is_refused_at_the_top(version: int) -> None:
    world = World()
    updates = [
        UpdateFeaturesRequestFeature("group.version", 1),
        UpdateFeaturesRequestFeature("none.version", 1),
    ]
    asked = world.ask(UpdateFeaturesRequest(feature_updates=updates), version)
    world.settle()
    response = asked.response()
    assert response.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert "none.version" in response.error_message
    assert len(response.results) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_rows_say_that_all_went_well_until_version_2(version: int) -> None:
    world = World()
    updates = [UpdateFeaturesRequestFeature("group.version", 1)]
    asked = world.ask(UpdateFeaturesRequest(feature_updates=updates), version)
    world.settle()
    response = asked.response()
    assert response.error_code == ErrorCode.NONE
    told = [(row.feature, row.error_code) for row in response.results]
    assert told == ([] if version >= 2 else [("group.version", ErrorCode.NONE)])
