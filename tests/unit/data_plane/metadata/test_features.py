"""UpdateFeatures: all or nothing, within what is supported, down only when asked."""

import pytest

from data_plane.metadata.decision import Decision
from data_plane.metadata.features import decide_update_features
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import FeatureLevelRecord
from data_plane.protocol.errors import ErrorCode, InvalidRequest
from data_plane.protocol.messages.update_features import (
    SAFE_DOWNGRADE,
    UPGRADE,
    UpdateFeaturesRequestFeature,
)
from tests.unit.data_plane.metadata.worlds import after

SUPPORTED = {"one.version": range(1, 4), "two.version": range(1, 2)}
IMAGE = after(MetadataImage(), Decision(None, [FeatureLevelRecord("one.version", 2)]))


def update(name: str, level: int, kind: int = UPGRADE) -> UpdateFeaturesRequestFeature:
    return UpdateFeaturesRequestFeature(name, level, upgrade_type=kind)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (update("none.version", 1), ErrorCode.INVALID_UPDATE_VERSION),
        (update("one.version", 4), ErrorCode.INVALID_UPDATE_VERSION),
        (update("one.version", 1), ErrorCode.INVALID_UPDATE_VERSION),
        (update("one.version", 0), ErrorCode.INVALID_UPDATE_VERSION),
        (update("one.version", 3, 9), ErrorCode.INVALID_REQUEST),
    ],
)
def test_one_refusal_refuses_all(asked: UpdateFeaturesRequestFeature, code: int) -> None:
    both = [asked, update("two.version", 1)]
    decision = decide_update_features(IMAGE, both, supported=SUPPORTED)
    assert [row.error_code for row in decision.response] == [
        code,
        ErrorCode.FEATURE_UPDATE_FAILED,
    ]
    assert not decision.records


@pytest.mark.parametrize(
    ("asked", "level"),
    [
        (update("one.version", 3), 3),
        (update("one.version", 1, SAFE_DOWNGRADE), 1),
        (update("one.version", 0, SAFE_DOWNGRADE), None),
        (UpdateFeaturesRequestFeature("one.version", 1, allow_downgrade=True), 1),
    ],
)
def test_levels_move(asked: UpdateFeaturesRequestFeature, level: int | None) -> None:
    decision = decide_update_features(IMAGE, [asked], supported=SUPPORTED)
    assert after(IMAGE, decision).features.get("one.version") == level
    tried = decide_update_features(IMAGE, [asked], supported=SUPPORTED, validate_only=True)
    assert not tried.records


def test_what_is_so_already_writes_nothing() -> None:
    decision = decide_update_features(IMAGE, [update("one.version", 2)], supported=SUPPORTED)
    assert ([row.error_code for row in decision.response], decision.records) == ([0], [])


def test_a_feature_twice_is_refused_whole() -> None:
    with pytest.raises(InvalidRequest):
        decide_update_features(IMAGE, [update("one.version", 3)] * 2, supported=SUPPORTED)
