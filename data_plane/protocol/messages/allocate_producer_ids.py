"""AllocateProducerIds (key 67) v0, flexible, between brokers. (KIP-730)"""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response


@request(api_key=67, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class AllocateProducerIdsRequest:
    """A broker asks for a block of producer ids."""

    broker_id: int32
    broker_epoch: int64 = -1


@response(api_key=67, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class AllocateProducerIdsResponse:
    """The ids from `producer_id_start` on, `producer_id_len` of them."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    producer_id_start: int64 = -1
    producer_id_len: int32 = 0
