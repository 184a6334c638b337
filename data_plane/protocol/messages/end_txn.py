"""EndTxn (key 26) v0-5. v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE. v5: a new
epoch in the answer, only under transaction.version 2 (KIP-890).
"""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since


@request(api_key=26, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class EndTxnRequest:
    """Commit or abort a transaction."""

    transactional_id: str
    producer_id: int64
    producer_epoch: int16
    committed: bool


@response(api_key=26, versions=range(6), flexible_from=3)
@dataclass(frozen=True, slots=True)
class EndTxnResponse:
    """Whether the end is durable; the markers follow."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    producer_id: int64 = since(5, default=-1)
    producer_epoch: int16 = since(5, default=-1)
