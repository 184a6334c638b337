"""UpdateFeatures: all or nothing, within what is supported, down only when asked."""

import dataclasses

import pytest

from data_plane.metadata.codec import OTTLA_VERSION
from data_plane.metadata.decision import Decision
from data_plane.metadata.features import (
    CLUSTER_LEVEL,
    NEWEST_LEVEL,
    decide_update_features,
    level_among,
    supported_ranges,
    supported_up_to,
)
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import BrokerFeature, FeatureLevelRecord
from data_plane.protocol.api_keys import API_KEYS, versions_among_brokers
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError
from data_plane.protocol.messages.update_features import (
    SAFE_DOWNGRADE,
    UPGRADE,
    UpdateFeaturesRequestFeature,
)
from data_plane.protocol.schema import info_of
from tests.unit.data_plane.metadata.worlds import after, broker, cluster, codes

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
    good = update("two.version", 1)
    for both in ([asked, good], [good, asked]):
        with pytest.raises(KafkaError) as refused:
            decide_update_features(IMAGE, both, supported=SUPPORTED)
        assert refused.value.code == code


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


def test_a_level_that_a_registered_broker_does_not_support_is_refused() -> None:
    able = dataclasses.replace(broker(1), features=(BrokerFeature("f", 1, 2),))
    old = dataclasses.replace(broker(2), features=(BrokerFeature("f", 1, 1),))
    levels = {"f": range(1, 3)}
    with pytest.raises(KafkaError) as refused:
        decide_update_features(cluster(able, old), [update("f", 2)], supported=levels)
    assert refused.value.code == ErrorCode.INVALID_UPDATE_VERSION
    taken = decide_update_features(cluster(able), [update("f", 2)], supported=levels)
    assert codes(taken.response) == [ErrorCode.NONE]


def test_a_cluster_of_two_cannot_go_back_to_records_for_one() -> None:
    image = after(
        cluster(broker(1), broker(2)), Decision(None, [FeatureLevelRecord("ottla.version", 1)])
    )
    with pytest.raises(KafkaError) as refused:
        decide_update_features(image, [update("ottla.version", 0, SAFE_DOWNGRADE)])
    assert refused.value.code == ErrorCode.INVALID_UPDATE_VERSION


def upgraded(*level_max: int, finalized: int = 1) -> MetadataImage:
    """A cluster whose broker i knows `ottla.version` up to level_max[i]."""
    brokers = [
        dataclasses.replace(broker(number), features=supported_ranges(supported_up_to(level)))
        for number, level in enumerate(level_max)
    ]
    return after(cluster(*brokers), Decision(None, [FeatureLevelRecord(OTTLA_VERSION, finalized)]))


def test_a_level_is_finalized_once_every_broker_knows_it_and_not_before() -> None:
    with pytest.raises(KafkaError, match=r"\[2\] do not support"):
        decide_update_features(upgraded(2, 2, 1), [update(OTTLA_VERSION, 2)])
    decision = decide_update_features(upgraded(2, 2, 2), [update(OTTLA_VERSION, 2)])
    assert after(upgraded(2, 2, 2), decision).features[OTTLA_VERSION] == 2


def test_a_finalized_level_is_taken_back_where_nothing_was_written_by_it() -> None:
    image = upgraded(2, 2, finalized=2)
    with pytest.raises(KafkaError, match="downgrade"):
        decide_update_features(image, [update(OTTLA_VERSION, 1)])
    decision = decide_update_features(image, [update(OTTLA_VERSION, 1, SAFE_DOWNGRADE)])
    assert after(image, decision).features[OTTLA_VERSION] == 1


def test_two_brokers_speak_what_is_finalized_and_both_know() -> None:
    assert [level_among(upgraded(2, 1), each) for each in (0, 1)] == [1, 1]
    assert [level_among(upgraded(2, 1, finalized=2), each) for each in (0, 1)] == [2, 1]
    unknown = 7
    assert level_among(upgraded(2, finalized=2), unknown) == CLUSTER_LEVEL


def test_each_level_speaks_what_the_one_before_did_and_more() -> None:
    """A version that a level has belongs to all later ones: an older broker is understood."""
    for key in API_KEYS:
        for level in range(1, NEWEST_LEVEL):
            older, newer = (versions_among_brokers(key, at) for at in (level, level + 1))
            assert older[0] == newer[0]
            assert older[-1] <= newer[-1]
        assert (
            versions_among_brokers(key, NEWEST_LEVEL)[-1] in info_of(API_KEYS[key].request).versions
        )
    assert versions_among_brokers(27, 1)[-1] < versions_among_brokers(27, 2)[-1]
