"""SaslAuthenticate (key 36) v0-2. v1: session lifetime (KIP-368). v2: flexible."""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int64, request, response, since


@request(api_key=36, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class SaslAuthenticateRequest:
    """One SASL token from the client."""

    auth_bytes: bytes


@response(api_key=36, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class SaslAuthenticateResponse:
    """One SASL token from the broker; a lifetime of 0 means that the session does not end."""

    error_code: int16 = 0
    error_message: str | None = None
    auth_bytes: bytes = b""
    session_lifetime_ms: int64 = since(1, default=0)
