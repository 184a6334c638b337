"""ApiVersions (key 18) v0-4. v3: flexible, software name and version (KIP-511), features
(KIP-584).
"""

import re
from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.handlers import HANDLERS
from data_plane.metadata.features import supported_up_to
from data_plane.protocol.api_keys import API_KEYS, API_VERSIONS, INTERNAL_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.api_versions import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    ApiVersionsResponseApiKey,
    ApiVersionsResponseFinalizedFeature,
    ApiVersionsResponseSupportedFeature,
)

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 18, range(5)

SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
NAMED_FROM = 3


def handle(
    broker: "Broker", ctx: RequestContext, request: ApiVersionsRequest
) -> ApiVersionsResponse:
    """Say what is served: exactly what has a handler."""
    if ctx.api_version >= NAMED_FROM and not (
        SOFTWARE.fullmatch(request.client_software_name)
        and SOFTWARE.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    finalized = broker.image.features
    return ApiVersionsResponse(
        api_keys=served(),
        supported_features=[
            ApiVersionsResponseSupportedFeature(name, levels.start, levels.stop - 1)
            for name, levels in supported_up_to(broker.config.ottla_version_max).items()
        ],
        finalized_features_epoch=broker.image.offset if finalized else -1,
        finalized_features=[
            ApiVersionsResponseFinalizedFeature(name, level, level)
            for name, level in finalized.items()
        ],
    )


def served() -> list[ApiVersionsResponseApiKey]:
    """One row for each key that has a handler for clients, by number."""
    return [_row(key) for key in sorted(HANDLERS.keys() - INTERNAL_KEYS)]


def unsupported_version() -> ApiVersionsResponse:
    """The answer to a version nobody knows yet: error 35 and our own range, for the retry."""
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[_row(API_VERSIONS)]
    )


def _row(key: int) -> ApiVersionsResponseApiKey:
    versions = API_KEYS[key].versions
    return ApiVersionsResponseApiKey(
        api_key=key, min_version=versions.start, max_version=versions.stop - 1
    )
