"""UnregisterBroker (key 64) v0, flexible. (KIP-631)"""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response


@request(api_key=64, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class UnregisterBrokerRequest:
    """A broker is gone for good."""

    broker_id: int32


@response(api_key=64, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class UnregisterBrokerResponse:
    """Whether it was forgotten."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
