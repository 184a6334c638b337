"""DescribeTransactions (key 65) v0, flexible. (KIP-664)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response


@request(api_key=65, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeTransactionsRequest:
    """Describe transactional ids."""

    transactional_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DescribeTransactionsResponseTopic:
    """Partitions of one topic that are in the transaction."""

    topic: str
    partitions: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class DescribeTransactionsResponseTransaction:
    """One transactional id; the start is Unix ms, -1 while none is open."""

    error_code: int16 = 0
    transactional_id: str = ""
    transaction_state: str = ""
    transaction_timeout_ms: int32 = 0
    transaction_start_time_ms: int64 = -1
    producer_id: int64 = -1
    producer_epoch: int16 = -1
    topics: Sequence[DescribeTransactionsResponseTopic] = ()


@response(api_key=65, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeTransactionsResponse:
    """The transactional ids."""

    throttle_time_ms: int32 = 0
    transaction_states: Sequence[DescribeTransactionsResponseTransaction] = ()
