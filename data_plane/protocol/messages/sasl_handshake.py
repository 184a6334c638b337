"""SaslHandshake (key 17) v0-1. v0: raw SASL tokens follow. v1: SaslAuthenticate requests follow."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, request, response


@request(api_key=17, versions=range(2), flexible_from=None)
@dataclass(frozen=True, slots=True)
class SaslHandshakeRequest:
    """Choose a SASL mechanism."""

    mechanism: str


@response(api_key=17, versions=range(2), flexible_from=None)
@dataclass(frozen=True, slots=True)
class SaslHandshakeResponse:
    """The mechanisms enabled here."""

    error_code: int16 = 0
    mechanisms: Sequence[str] = ()
