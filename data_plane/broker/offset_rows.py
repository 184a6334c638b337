"""What OffsetCommit and TxnOffsetCommit share: a row for each partition, a code for each row."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_topic
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode
from data_plane.security.acls import AclOperation


class PartitionRow(Protocol):
    """A partition of either request."""

    @property
    def partition_index(self) -> int: ...

    @property
    def committed_offset(self) -> int: ...

    @property
    def committed_leader_epoch(self) -> int: ...

    @property
    def committed_metadata(self) -> str | None: ...


class Row(NamedTuple):
    """One partition of a topic; None: nobody knows the id that the topic was named by."""

    topic: str | None
    partition: PartitionRow


def decide_rows(
    broker: GroupBroker,
    ctx: RequestContext,
    group_id: str,
    rows: Sequence[Row],
    decide: Callable[[Sequence[OffsetCommitted]], Decision[tuple[ErrorCode, ...]]],
    *,
    expire_ms: int = -1,
) -> Decision[Sequence[ErrorCode]]:
    """One code for each row, in order; `decide` is asked for those that nothing stands against."""
    accepted: list[OffsetCommitted] = []
    refusals: list[ErrorCode] = []
    for topic, partition in rows:
        refusals.append(_refusal(broker, ctx, topic, partition.partition_index))
        if topic is not None and refusals[-1] is ErrorCode.NONE:
            accepted.append(_record(group_id, topic, partition, ctx.now_ms, expire_ms))
    decision = decide(accepted)
    decided: Iterator[ErrorCode] = iter(decision.response)
    codes = [next(decided) if code is ErrorCode.NONE else code for code in refusals]
    return Decision(codes, decision.records)


def _refusal(broker: GroupBroker, ctx: RequestContext, topic: str | None, index: int) -> ErrorCode:
    """What stands against a row before the group is asked."""
    if topic is None:
        return ErrorCode.UNKNOWN_TOPIC_ID
    if not allows_topic(broker, ctx, AclOperation.READ, topic):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if broker.image.partition(topic, index) is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE


def _record(
    group_id: str, topic: str, partition: PartitionRow, now_ms: int, expire_ms: int
) -> OffsetCommitted:
    return OffsetCommitted(
        group_id=group_id,
        topic=topic,
        partition=partition.partition_index,
        offset=partition.committed_offset,
        leader_epoch=partition.committed_leader_epoch,
        metadata=partition.committed_metadata or "",
        commit_ms=now_ms,
        expire_ms=expire_ms,
    )
