"""UpdateFeatures (key 57) v0-2, flexible. v1: upgrade type, validate only. v2: no result rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since, until

UPGRADE = 1
SAFE_DOWNGRADE = 2
UNSAFE_DOWNGRADE = 3


@dataclass(frozen=True, slots=True)
class UpdateFeaturesRequestFeature:
    """A feature and the level it shall have; below 1 removes it."""

    feature: str
    max_version_level: int16
    allow_downgrade: bool = until(1, default=False)
    upgrade_type: int8 = since(1, default=UPGRADE)


@request(api_key=57, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class UpdateFeaturesRequest:
    """Finalize feature levels."""

    timeout_ms: int32 = 60_000
    feature_updates: Sequence[UpdateFeaturesRequestFeature] = ()
    validate_only: bool = since(1, default=False)


@dataclass(frozen=True, slots=True)
class UpdateFeaturesResponseResult:
    """What became of one feature."""

    feature: str
    error_code: int16 = 0
    error_message: str | None = None


@response(api_key=57, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class UpdateFeaturesResponse:
    """Whether the levels were finalized."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    results: Sequence[UpdateFeaturesResponseResult] = until(2, default=())
