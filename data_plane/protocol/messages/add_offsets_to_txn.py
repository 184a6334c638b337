"""AddOffsetsToTxn (key 25) v0-4. v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE."""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response


@request(api_key=25, versions=range(5), flexible_from=3)
@dataclass(frozen=True, slots=True)
class AddOffsetsToTxnRequest:
    """Make a group's offsets part of a transaction."""

    transactional_id: str
    producer_id: int64
    producer_epoch: int16
    group_id: str


@response(api_key=25, versions=range(5), flexible_from=3)
@dataclass(frozen=True, slots=True)
class AddOffsetsToTxnResponse:
    """Whether the offsets partition of the group was added."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
