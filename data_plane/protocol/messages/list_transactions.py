"""ListTransactions (key 66) v0-2, flexible. v1: duration filter. v2: pattern. (KIP-664)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since


@request(api_key=66, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ListTransactionsRequest:
    """List this coordinator's transactional ids; empty filters let all through."""

    state_filters: Sequence[str] = ()
    producer_id_filters: Sequence[int64] = ()
    duration_filter: int64 = since(1, default=-1)
    transactional_id_pattern: str | None = since(2, default=None)


@dataclass(frozen=True, slots=True)
class ListTransactionsResponseTransaction:
    """One transactional id."""

    transactional_id: str
    producer_id: int64 = -1
    transaction_state: str = ""


@response(api_key=66, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ListTransactionsResponse:
    """The transactional ids, and the filters that name no state."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    unknown_state_filters: Sequence[str] = ()
    transaction_states: Sequence[ListTransactionsResponseTransaction] = ()
