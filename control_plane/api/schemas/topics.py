"""Topics in the data API's shape: what the command line reads and what other clients read.

Counts come as text from the command line and as numbers from other clients; both are taken.
Here rates end in `_per_second`, in the cluster in `_per_sec`: each is its clients' word.
"""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Count, Out
from control_plane.api.schemas.operations import OperationOut
from control_plane.domain.states import TopicState
from control_plane.models import Topic

RETENTION_MS_MAX = 2**53  # what a JSON number holds exactly


class TopicWish(Body):
    name: str = Field(min_length=1, max_length=300)
    partition_count: Count | None = None
    replication_factor: Count | None = None
    retention_time_ms: int | None = Field(default=None, le=RETENTION_MS_MAX, ge=0)
    compaction: bool = False


class TopicCreate(Body):
    topic: TopicWish


class TopicChange(Body):
    """`name` may be left out: the path has it."""

    name: str | None = None
    replication_factor: Count | None = None
    retention_time_ms: int | None = Field(default=None, le=RETENTION_MS_MAX, ge=0)
    compaction: bool = False


class TopicUpdate(Body):
    topic: TopicChange


class TopicLimits(Out):
    max_topics: int | None


class TopicRates(Out):
    """Null where there is no sample yet; never zero for want of one."""

    bytes_in_per_second: float | None = None
    bytes_out_per_second: float | None = None
    messages_in_per_second: float | None = None


class TopicOut(Out):
    id: str
    name: str  # bare
    prefix: str | None = None
    partitions: int  # 0: not yet on the brokers
    partition_count: int  # as asked for
    replication_factor: int
    retention_time_ms: int | None  # null: without limit
    retention_enabled: bool
    compaction: bool
    compaction_enabled: bool
    cleanup_policy: str
    messages_in_per_second: float
    bytes_in_per_second: float
    bytes_out_per_second: float
    status: str
    status_label: str
    state: str
    reason: str | None  # why it failed
    data_size: int


class TopicsOut(Out):
    attachment_name: str | None
    prefix: str | None = None
    limits: TopicLimits
    topics: list[TopicOut]


class TopicAccepted(Out):
    """202: the brokers will have it once its state reads `available`."""

    id: str
    message: str
    topic: TopicOut
    operation: OperationOut | None


# The words other platforms' clients wait for.
_STATUS = {
    TopicState.CREATING: ("pending", "Being created"),
    TopicState.AVAILABLE: ("ready", "Available"),
    TopicState.UPDATING: ("updating", "Being changed"),
    TopicState.DELETING: ("deleting", "Being deleted"),
    TopicState.DELETED: ("deleted", "Deleted"),
    TopicState.FAILED: ("failed", "Failed"),
}


def topic_out(topic: Topic, rates: TopicRates) -> TopicOut:
    status, label = _STATUS[TopicState(topic.state)]
    is_there = topic.state in {TopicState.AVAILABLE, TopicState.UPDATING, TopicState.DELETING}
    return TopicOut(
        id=str(topic.id),
        name=topic.name,
        partitions=topic.partition_count if is_there else 0,
        partition_count=topic.partition_count,
        replication_factor=topic.replication_factor,
        retention_time_ms=topic.retention_ms,
        retention_enabled=topic.retention_ms is not None,
        compaction=topic.is_compacted,
        compaction_enabled=topic.is_compacted,
        cleanup_policy=topic.shape.cleanup_policy,
        messages_in_per_second=rates.messages_in_per_second or 0.0,
        bytes_in_per_second=rates.bytes_in_per_second or 0.0,
        bytes_out_per_second=rates.bytes_out_per_second or 0.0,
        status=status,
        status_label=topic.error or label,
        state=topic.state,
        reason=topic.error or None,
        data_size=topic.size_bytes,
    )
