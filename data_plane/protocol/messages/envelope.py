"""Envelope (key 58) v0, flexible, between brokers: a client's request, forwarded (KIP-590).

The principal and the answer are bytes to the schema; what stands in them is ours
(broker/forwarding.py).
"""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, request, response


@request(api_key=58, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class EnvelopeRequest:
    """A whole request with its header, and who asked from where."""

    request_data: bytes
    request_principal: bytes | None = None
    client_host_address: bytes = b""


@response(api_key=58, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class EnvelopeResponse:
    """A whole response with its header, or why there is none."""

    response_data: bytes | None = None
    error_code: int16 = 0
