"""Feature levels: what this broker could have, and UpdateFeatures decided (KIP-584)."""

from collections.abc import Mapping, Sequence
from typing import Final

from data_plane.metadata.codec import OTTLA_VERSION
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import BrokerFeature, FeatureLevelRecord, RegisterBrokerRecord
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError
from data_plane.protocol.messages.update_features import (
    SAFE_DOWNGRADE,
    UNSAFE_DOWNGRADE,
    UPGRADE,
    UpdateFeaturesRequestFeature,
    UpdateFeaturesResponseResult,
)

# Of `ottla.version` (durability.md 9). 0: records of one broker. 1: those of several, as
# metadata/records.py has them. 2: markers tell the transaction version (protocol/api_keys.py).
CLUSTER_LEVEL: Final = 1
NEWEST_LEVEL: Final = 2

# Feature -> levels that this broker implements; 0 is none. Named here only once it is true.
SUPPORTED: Final[Mapping[str, range]] = {
    "group.version": range(1, 2),
    OTTLA_VERSION: range(1, NEWEST_LEVEL + 1),
    "transaction.version": range(1, 3),
}


def supported_up_to(level_max: int) -> Mapping[str, range]:
    """SUPPORTED, as software that knows no newer level of `ottla.version` has it."""
    levels = SUPPORTED[OTTLA_VERSION]
    return {**SUPPORTED, OTTLA_VERSION: range(levels.start, min(levels.stop, level_max + 1))}


def supported_ranges(supported: Mapping[str, range] = SUPPORTED) -> list[BrokerFeature]:
    """What this broker registers."""
    return [
        BrokerFeature(name, 0 if name == OTTLA_VERSION else levels.start, levels.stop - 1)
        for name, levels in supported.items()
    ]


def initial_features(registration: RegisterBrokerRecord) -> list[FeatureLevelRecord]:
    """What a new cluster begins with: the highest level of everything, as far as its first broker
    has registered that it can do it."""
    own = {one.name: one.level_max for one in registration.features}
    return [
        FeatureLevelRecord(name, min(levels.stop - 1, own.get(name, levels.stop - 1)))
        for name, levels in SUPPORTED.items()
    ]


def level_among(image: MetadataImage, broker_id: int) -> int:
    """Of `ottla.version`, between this broker and another one: what is finalized, as far as the
    other one has registered that it can do it."""
    finalized = image.features.get(OTTLA_VERSION, 0)
    other = image.brokers.get(broker_id)
    for own in () if other is None else other.features:
        if own.name == OTTLA_VERSION:
            return min(finalized, own.level_max)
    return min(finalized, CLUSTER_LEVEL)


def decide_update_features(
    image: MetadataImage,
    updates: Sequence[UpdateFeaturesRequestFeature],
    *,
    supported: Mapping[str, range] = SUPPORTED,
    validate_only: bool = False,
) -> Decision[list[UpdateFeaturesResponseResult]]:
    """Finalize all levels or none. Row i answers update i.

    Raises InvalidRequest for duplicates, and for the first update that cannot be made a KafkaError:
    INVALID_UPDATE_VERSION, or INVALID_REQUEST for an unknown upgrade type.
    """
    if len({update.feature for update in updates}) != len(updates):
        raise InvalidRequest("A feature may appear once in a request.")
    records = [record for update in updates for record in _changes(image, update, supported)]
    rows = [UpdateFeaturesResponseResult(update.feature) for update in updates]
    return Decision(rows, () if validate_only else records)


def _changes(
    image: MetadataImage, update: UpdateFeaturesRequestFeature, supported: Mapping[str, range]
) -> list[FeatureLevelRecord]:
    levels = supported.get(update.feature)
    wanted = max(update.max_version_level, 0)
    if levels is None:
        raise _invalid(update, "The controller does not support the feature.")
    if wanted and wanted not in levels:
        raise _invalid(update, f"Supported are {levels.start} to {levels.stop - 1}.")
    if update.upgrade_type not in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
        raise InvalidRequest(f"Unknown upgrade type {update.upgrade_type}")
    unable = [
        broker.broker_id
        for broker in image.brokers.values()
        for own in broker.features
        if own.name == update.feature and not own.level_min <= wanted <= own.level_max
    ]
    if wanted and unable:
        raise _invalid(update, f"Brokers {sorted(unable)} do not support it.")
    if update.feature == OTTLA_VERSION and wanted < CLUSTER_LEVEL and len(image.brokers) > 1:
        raise _invalid(update, "A cluster of several brokers cannot be written without it.")
    before = image.features.get(update.feature, 0)
    if wanted < before and update.upgrade_type == UPGRADE and not update.allow_downgrade:
        raise _invalid(update, "It would be a downgrade, which was not asked for.")
    return [] if wanted == before else [FeatureLevelRecord(update.feature, wanted)]


def _invalid(update: UpdateFeaturesRequestFeature, why: str) -> KafkaError:
    return KafkaError(
        f"No feature was updated. Invalid update version {update.max_version_level}"
        f" for feature {update.feature}. {why}",
        code=ErrorCode.INVALID_UPDATE_VERSION,
    )
