"""CreateTopics (key 19) v0-7. v1: validate only, messages. v2: throttle time. v4: broker defaults
(-1). v5: flexible, result details (KIP-525). v6: THROTTLING_QUOTA_EXCEEDED. v7: topic ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
    int8,
    int16,
    int32,
    request,
    response,
    since,
    tagged,
    uuid,
)


@dataclass(frozen=True, slots=True)
class CreateTopicsRequestAssignment:
    """The replicas of one partition, the preferred leader first."""

    partition_index: int32
    broker_ids: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class CreateTopicsRequestConfig:
    """One configuration entry."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class CreateTopicsRequestTopic:
    """A topic to create; counts of -1 mean the broker's default or a manual assignment."""

    name: str
    num_partitions: int32 = -1
    replication_factor: int16 = -1
    assignments: Sequence[CreateTopicsRequestAssignment] = ()
    configs: Sequence[CreateTopicsRequestConfig] = ()


@request(api_key=19, versions=range(8), flexible_from=5)
@dataclass(frozen=True, slots=True)
class CreateTopicsRequest:
    """Create topics, or only say whether they could be."""

    topics: Sequence[CreateTopicsRequestTopic] = ()
    timeout_ms: int32 = 60_000
    validate_only: bool = since(1, default=False)


@dataclass(frozen=True, slots=True)
class CreateTopicsResponseConfig:
    """One configuration entry of the new topic, and where its value comes from."""

    name: str
    value: str | None = None
    read_only: bool = False
    config_source: int8 = -1
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class CreateTopicsResponseTopic:
    """What became of one topic."""

    name: str
    topic_id: uuid = since(7, default=NO_ID)
    error_code: int16 = 0
    error_message: str | None = since(1, default=None)
    topic_config_error_code: int16 = tagged(0, since=5, default=0)
    num_partitions: int32 = since(5, default=-1)
    replication_factor: int16 = since(5, default=-1)
    configs: Sequence[CreateTopicsResponseConfig] | None = since(5, default=())


@response(api_key=19, versions=range(8), flexible_from=5)
@dataclass(frozen=True, slots=True)
class CreateTopicsResponse:
    """What became of each topic."""

    throttle_time_ms: int32 = since(2, default=0)
    topics: Sequence[CreateTopicsResponseTopic] = ()
