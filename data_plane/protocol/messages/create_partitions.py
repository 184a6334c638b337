"""CreatePartitions (key 37) v0-3. v2: flexible. v3: THROTTLING_QUOTA_EXCEEDED."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response


@dataclass(frozen=True, slots=True)
class CreatePartitionsRequestAssignment:
    """The replicas of one new partition."""

    broker_ids: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class CreatePartitionsRequestTopic:
    """A topic and the partition count it shall have; null assignments let the broker choose."""

    name: str
    count: int32
    assignments: Sequence[CreatePartitionsRequestAssignment] | None = None


@request(api_key=37, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class CreatePartitionsRequest:
    """Add partitions to topics."""

    topics: Sequence[CreatePartitionsRequestTopic] = ()
    timeout_ms: int32 = 60_000
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class CreatePartitionsResponseResult:
    """What became of one topic."""

    name: str
    error_code: int16 = 0
    error_message: str | None = None


@response(api_key=37, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class CreatePartitionsResponse:
    """What became of each topic."""

    throttle_time_ms: int32 = 0
    results: Sequence[CreatePartitionsResponseResult] = ()
