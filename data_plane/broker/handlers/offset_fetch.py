"""OffsetFetch (key 9) v1-10. v2: null topics mean all, and an error of the whole. v5: leader epoch.
v6: flexible. v7: require_stable (KIP-447). v8: several groups. v9: member epochs (KIP-848).
v10: topics by id.

A partition without a commit is offset -1 and no error; a group that cannot be read is an error and
never -1, or consumers would start over. Under require_stable an offset that an open transaction is
about to commit is UNSTABLE_OFFSET_COMMIT, upon which consumers ask again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

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
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponseGroupTopic,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from data_plane.protocol.schema import NO_ID
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 9, range(1, 11)

TOPIC_IDS_FROM = 10


class WantedTopic(NamedTuple):
    """Partitions of one topic; name None: nobody knows its id."""

    name: str | None
    partitions: Sequence[int]
    topic_id: UUID = NO_ID


Wanted = Sequence[WantedTopic] | None  # None: all that is committed
Held = Mapping[TopicPartition, OffsetCommitted | ErrorCode]
Group = OffsetFetchResponseGroup
Part = Group | KafkaError | Parked

UNSTABLE = ErrorCode.UNSTABLE_OFFSET_COMMIT


def handle(
    broker: GroupBroker, ctx: RequestContext, request: OffsetFetchRequest
) -> OffsetFetchResponse | Parked:
    stable = request.require_stable
    if ctx.api_version >= 8:
        parts = [
            _fetch(
                broker,
                ctx,
                group.group_id,
                _wanted(broker, ctx, group),
                is_stable_required=stable,
                member=(group.member_id, group.member_epoch),
            )
            for group in request.groups
        ]
        group_ids = [group.group_id for group in request.groups]
        return gather(parts, lambda groups: _batched(group_ids, groups))
    wanted = None
    if request.topics is not None:
        wanted = [WantedTopic(topic.name, topic.partition_indexes) for topic in request.topics]
    part = _fetch(broker, ctx, request.group_id, wanted, is_stable_required=stable)
    return gather([part], lambda groups: _single(ctx.api_version, wanted, groups[0]))


def _wanted(broker: GroupBroker, ctx: RequestContext, group: OffsetFetchRequestGroup) -> Wanted:
    """A topic whose id nobody knows has no name."""
    if group.topics is None:
        return None
    if ctx.api_version < TOPIC_IDS_FROM:
        return [WantedTopic(topic.name, topic.partition_indexes) for topic in group.topics]
    names = broker.image.topic_names
    return [
        WantedTopic(names.get(topic.topic_id), topic.partition_indexes, topic.topic_id)
        for topic in group.topics
    ]


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
        if wanted is None:
            everything = _everything(broker, ctx, held)
            topics = _some(held, [one for one in everything if may_see(one.name or "")], may_see)
        else:
            topics = _some(held, wanted, may_see)
        return Decision(Group(group_id=group_id, topics=topics))

    return decide_in_shard(broker, group_id, decide)


def _everything(broker: GroupBroker, ctx: RequestContext, held: Held) -> list[WantedTopic]:
    """All topics with something committed; those that are gone have no id to be told by."""
    by_topic: dict[str, list[int]] = {}
    for name, partition in held:
        by_topic.setdefault(name, []).append(partition)
    if ctx.api_version < TOPIC_IDS_FROM:
        return [WantedTopic(name, partitions) for name, partitions in by_topic.items()]
    return [
        WantedTopic(name, partitions, topic.topic_id)
        for name, partitions in by_topic.items()
        if (topic := broker.image.topic(name)) is not None
    ]


def _some(
    held: Held, wanted: Sequence[WantedTopic], may_see: Callable[[str], bool]
) -> list[OffsetFetchResponseGroupTopic]:
    topics = []
    for name, partitions, topic_id in wanted:
        if name is None:
            rows = [_row(partition, None, ErrorCode.UNKNOWN_TOPIC_ID) for partition in partitions]
        elif not may_see(name):
            refusal = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            rows = [_row(partition, None, refusal) for partition in partitions]
        else:
            rows = [
                _row(partition, held.get((name, partition)), ErrorCode.NONE)
                for partition in partitions
            ]
        topics.append(
            OffsetFetchResponseGroupTopic(name=name or "", topic_id=topic_id, partitions=rows)
        )
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
            OffsetFetchResponseTopic(
                topic.name or "", [_row(at, None, part.code) for at in topic.partitions]
            )
            for topic in wanted or ()
        ]
    )
