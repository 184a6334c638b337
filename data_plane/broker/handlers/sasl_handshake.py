"""SaslHandshake (key 17) v0-1. On listeners with SASL the edge's exchange answers before dispatch.

What arrives here came by a listener that authenticates otherwise, or not at all.
"""

from data_plane.broker.admin_access import AdminBroker
from data_plane.broker.context import RequestContext
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.sasl_handshake import (
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

API_KEY, VERSIONS = 17, range(2)


def handle(
    _broker: AdminBroker, _ctx: RequestContext, _request: SaslHandshakeRequest
) -> SaslHandshakeResponse:
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE)
