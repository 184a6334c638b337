"""DeleteTopics (key 20) v0-6. v1: throttle time. v4: flexible. v5: messages. v6: ids."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
    int16,
    int32,
    nullable,
    request,
    response,
    since,
    until,
    uuid,
)


@dataclass(frozen=True, slots=True)
class DeleteTopicsRequestTopic:
    """A topic by name, or by id with a null name."""

    name: str | None = None
    topic_id: uuid = NO_ID


@request(api_key=20, versions=range(7), flexible_from=4)
@dataclass(frozen=True, slots=True)
class DeleteTopicsRequest:
    """Delete topics: `topic_names` before v6, `topics` from then on."""

    topics: Sequence[DeleteTopicsRequestTopic] = since(6, default=())
    topic_names: Sequence[str] = until(6, default=())
    timeout_ms: int32 = 60_000


@dataclass(frozen=True, slots=True)
class DeleteTopicsResponseTopic:
    """What became of one topic; the name is null where only an unknown id was given."""

    name: str | None = nullable(6, default="")
    topic_id: uuid = since(6, default=NO_ID)
    error_code: int16 = 0
    error_message: str | None = since(5, default=None)


@response(api_key=20, versions=range(7), flexible_from=4)
@dataclass(frozen=True, slots=True)
class DeleteTopicsResponse:
    """What became of each topic."""

    throttle_time_ms: int32 = since(1, default=0)
    responses: Sequence[DeleteTopicsResponseTopic] = ()
