"""ApiVersions (key 18) v0-4. v1: throttle time. v3: flexible, features (KIP-584). v4: features with
a minimum of 0. The response header is v0 at every version; an unknown version is answered as v0
with UNSUPPORTED_VERSION and this API's own row (KIP-511).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since, tagged


@request(api_key=18, versions=range(5), flexible_from=3)
@dataclass(frozen=True, slots=True)
class ApiVersionsRequest:
    """Ask what the broker speaks, and say which client asks."""

    client_software_name: str = since(3, default="")
    client_software_version: str = since(3, default="")


@dataclass(frozen=True, slots=True)
class ApiVersionsResponseApiKey:
    """One API's range of versions, both ends included."""

    api_key: int16
    min_version: int16
    max_version: int16


@dataclass(frozen=True, slots=True)
class ApiVersionsResponseSupportedFeature:
    """A feature this broker could have, by range of levels."""

    name: str
    min_version: int16
    max_version: int16


@dataclass(frozen=True, slots=True)
class ApiVersionsResponseFinalizedFeature:
    """A feature the cluster has decided on."""

    name: str
    max_version_level: int16
    min_version_level: int16


@response(api_key=18, versions=range(5), flexible_from=3)
@dataclass(frozen=True, slots=True)
class ApiVersionsResponse:
    """What this broker implements, no more."""

    error_code: int16 = 0
    api_keys: Sequence[ApiVersionsResponseApiKey] = ()
    throttle_time_ms: int32 = since(1, default=0)
    supported_features: Sequence[ApiVersionsResponseSupportedFeature] = tagged(
        0, since=3, default=()
    )
    finalized_features_epoch: int64 = tagged(1, since=3, default=-1)
    finalized_features: Sequence[ApiVersionsResponseFinalizedFeature] = tagged(
        2, since=3, default=()
    )
    zk_migration_ready: bool = tagged(3, since=3, default=False)
