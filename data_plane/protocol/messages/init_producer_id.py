"""InitProducerId (key 22) v0-6. v2: flexible. v3: resume with (id, epoch) (KIP-360). v4:
PRODUCER_FENCED. v5: TRANSACTION_ABORTABLE. v6: two-phase commit (KIP-939), never advertised.
"""

from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since


@request(api_key=22, versions=range(7), flexible_from=2)
@dataclass(frozen=True, slots=True)
class InitProducerIdRequest:
    """Ask for a producer id; a null transactional id means idempotence only."""

    transactional_id: str | None = None
    transaction_timeout_ms: int32 = 60_000
    producer_id: int64 = since(3, default=-1)
    producer_epoch: int16 = since(3, default=-1)
    enable2_pc: bool = since(6, default=False)
    keep_prepared_txn: bool = since(6, default=False)


@response(api_key=22, versions=range(7), flexible_from=2)
@dataclass(frozen=True, slots=True)
class InitProducerIdResponse:
    """The producer id and its epoch."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    producer_id: int64 = -1
    producer_epoch: int16 = 0
    ongoing_txn_producer_id: int64 = since(6, default=-1)
    ongoing_txn_producer_epoch: int16 = since(6, default=-1)
