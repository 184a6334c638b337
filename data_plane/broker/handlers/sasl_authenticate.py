"""SaslAuthenticate (key 36) v0-2. On listeners with SASL the edge's exchange answers instead.

v1: session lifetime (KIP-368). v2: flexible.
"""

from data_plane.broker.admin_access import AdminBroker
from data_plane.broker.context import RequestContext
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.sasl_authenticate import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)

API_KEY, VERSIONS = 36, range(3)


def handle(
    _broker: AdminBroker, _ctx: RequestContext, _request: SaslAuthenticateRequest
) -> SaslAuthenticateResponse:
    """Refuse: no handshake came before, since this listener has none."""
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE,
        error_message="SaslAuthenticate is answered behind SaslHandshake, on listeners with SASL.",
    )
