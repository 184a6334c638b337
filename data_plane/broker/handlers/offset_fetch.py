"""OffsetFetch (key 9) v1-9. v2: null topics mean all, and an error of the whole. v5: leader epoch.
v6: flexible. v7: require_stable (KIP-447). v8: several groups. v9: member epochs (KIP-848).

A partition without a commit is offset -1 and no error; a group that cannot be read is an error and
never -1, or consumers would start over. Under require_stable an offset that an open transaction is
about to commit is UNSTABLE_OFFSET_COMMIT, upon which consumers ask again.
"""

from collections.abc import Callable, Mapping, Sequence

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import GroupBroker, allows_group, allows_topic, decide_in_shard
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.coordinator.offsets import TopicPartition
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponseGroupTopic,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 9, range(1, 10)

Wanted = Sequence[tuple[str, Sequence[int]]] | None  # topic -> partitions; None: all committed
Held = Mapping[TopicPartition, OffsetCommitted | ErrorCode]
Group = OffsetFetchResponseGroup
Part = Group | KafkaError | Parked

UNSTABLE = ErrorCode.UNSTABLE_OFFSET_COMMIT


def handle(
    broker: GroupBroker, ctx: RequestContext, request: OffsetFetchRequest
) -> OffsetFetchResponse | Parked:
    if ctx.api_version >= 8:
        asked = [
            (
                group,
                None
                if group.topics is None
                else [(topic.name, topic.partition_indexes) for topic in group.topics],
            )
            for group in request.groups
        ]
        stable = request.require_stable
        parts = [
            _fetch(
                broker,
                ctx,
                group.group_id,
                wanted,
                is_stable_required=stable,
                member=(group.member_id, group.member_epoch),
            )
            for group, wanted in asked
        ]
        group_ids = [group.group_id for group in request.groups]
        return gather(parts, lambda groups: _batched(group_ids, groups))
    wanted = (
        None
        if request.topics is None
        else [(topic.name, topic.partition_indexes) for topic in request.topics]
    )
    part = _fetch(broker, ctx, request.group_id, wanted, is_stable_required=request.require_stable)
    return gather([part], lambda groups: _single(ctx.api_version, wanted, groups[0]))


def _fetch(
    broker: GroupBroker,
    ctx: RequestContext,
    group_id: str,
    wanted: Wanted,
    *,
    is_stable_required: bool,
    member: tuple[str | None, int] = (None, -1),
) -> Part:
    """member: who asks and at which epoch, which matters to KIP-848 groups alone."""
    if not allows_group(broker, ctx, AclOperation.DESCRIBE, group_id):
        return KafkaError(code=ErrorCode.GROUP_AUTHORIZATION_FAILED)

    def may_see(topic: str) -> bool:
        return allows_topic(broker, ctx, AclOperation.DESCRIBE, topic)

    def decide(shard: GroupsShard) -> Decision[Group]:
        code = shard.consumer_groups.check_fetch(group_id, *member)
        if code is not ErrorCode.NONE:
            return Decision(Group(group_id=group_id, error_code=code))
        held: Held = shard.committed(group_id)
        if is_stable_required:
            held = {**held, **dict.fromkeys(shard.pending(group_id), UNSTABLE)}
        topics = _all(held, may_see) if wanted is None else _some(held, wanted, may_see)
        return Decision(Group(group_id=group_id, topics=topics))

    return decide_in_shard(broker, group_id, decide)


def _all(held: Held, may_see: Callable[[str], bool]) -> list[OffsetFetchResponseGroupTopic]:
    """Everything committed, without topics that the caller may not know of."""
    by_topic: dict[str, list[int]] = {}
    for topic, partition in held:
        by_topic.setdefault(topic, []).append(partition)
    visible = {topic: partitions for topic, partitions in by_topic.items() if may_see(topic)}
    return _some(held, list(visible.items()), lambda _: True)


def _some(
    held: Held,
    wanted: Sequence[tuple[str, Sequence[int]]],
    may_see: Callable[[str], bool],
) -> list[OffsetFetchResponseGroupTopic]:
    topics = []
    for name, partitions in wanted:
        code = ErrorCode.NONE if may_see(name) else ErrorCode.TOPIC_AUTHORIZATION_FAILED
        rows = [
            _row(partition, None if code else held.get((name, partition)), code)
            for partition in partitions
        ]
        topics.append(OffsetFetchResponseGroupTopic(name=name, partitions=rows))
    return topics


def _row(
    partition: int, committed: OffsetCommitted | ErrorCode | None, code: ErrorCode
) -> OffsetFetchResponsePartition:
    if isinstance(committed, ErrorCode):
        return OffsetFetchResponsePartition(partition_index=partition, error_code=committed)
    if committed is None:
        return OffsetFetchResponsePartition(partition_index=partition, error_code=code)
    return OffsetFetchResponsePartition(
        partition_index=partition,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
    )


def _batched(group_ids: Sequence[str], parts: Sequence[Group | KafkaError]) -> OffsetFetchResponse:
    return OffsetFetchResponse(
        groups=[
            Group(group_id=group_id, error_code=part.code) if isinstance(part, KafkaError) else part
            for group_id, part in zip(group_ids, parts, strict=True)
        ]
    )


def _single(version: int, wanted: Wanted, part: Group | KafkaError) -> OffsetFetchResponse:
    """v1 has no error of the whole: there each partition carries it."""
    if not isinstance(part, KafkaError):
        return OffsetFetchResponse(
            topics=[OffsetFetchResponseTopic(t.name, t.partitions) for t in part.topics]
        )
    if version >= 2:
        return OffsetFetchResponse(error_code=part.code)
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(name, [_row(at, None, part.code) for at in partitions])
            for name, partitions in wanted or ()
        ]
    )
