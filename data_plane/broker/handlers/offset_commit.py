"""OffsetCommit (key 8) v2-9. v2-v4: retention of the client's choice. v6: leader epoch.
v7: static members (KIP-345). v8: flexible. v9: GROUP_ID_NOT_FOUND.
"""

from collections.abc import Iterable, Iterator

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_group, allows_topic
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.coordinator.offsets import OffsetsCommit
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 8, range(2, 10)

Row = tuple[str, OffsetCommitRequestPartition]


def handle(
    broker: GroupBroker, ctx: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | Parked:
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return _refused(request, ErrorCode.GROUP_AUTHORIZATION_FAILED)
    shard = broker.group_shard(request.group_id)
    refusals = list(_refusals(broker, ctx, request))
    accepted = [
        row for row, code in zip(_rows(request), refusals, strict=True) if code is ErrorCode.NONE
    ]
    commit = OffsetsCommit(
        group_id=request.group_id,
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        generation=request.generation_id_or_member_epoch,
        api_version=ctx.api_version,
        offsets=[_record(request, row, ctx.now_ms) for row in accepted],
    )
    decision = shard.decide_offset_commit(commit, now_ms=ctx.now_ms)
    decided = iter(decision.response)
    codes = [next(decided) if code is ErrorCode.NONE else code for code in refusals]
    return broker.commit(shard, Decision(_response(request, codes), decision.records))


def error_response(request: OffsetCommitRequest, error: KafkaError) -> OffsetCommitResponse:
    return _refused(request, error.code)


def _rows(request: OffsetCommitRequest) -> Iterator[Row]:
    for topic in request.topics:
        for partition in topic.partitions:
            yield topic.name, partition


def _refusals(
    broker: GroupBroker, ctx: RequestContext, request: OffsetCommitRequest
) -> Iterator[ErrorCode]:
    """What stands against each row, before the group is asked."""
    for topic in request.topics:
        is_allowed = allows_topic(broker, ctx, AclOperation.READ, topic.name)
        for partition in topic.partitions:
            if not is_allowed:
                yield ErrorCode.TOPIC_AUTHORIZATION_FAILED
            elif broker.image.partition(topic.name, partition.partition_index) is None:
                yield ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                yield ErrorCode.NONE


def _record(request: OffsetCommitRequest, row: Row, now_ms: int) -> OffsetCommitted:
    topic, partition = row
    retention_ms = request.retention_time_ms
    return OffsetCommitted(
        group_id=request.group_id,
        topic=topic,
        partition=partition.partition_index,
        offset=partition.committed_offset,
        leader_epoch=partition.committed_leader_epoch,
        metadata=partition.committed_metadata or "",
        commit_ms=now_ms,
        expire_ms=now_ms + retention_ms if retention_ms >= 0 else -1,
    )


def _refused(request: OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse:
    return _response(request, [code for _ in _rows(request)])


def _response(request: OffsetCommitRequest, codes: Iterable[ErrorCode]) -> OffsetCommitResponse:
    """One code for each row, in the request's order."""
    code = iter(codes)
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetCommitResponsePartition(partition.partition_index, next(code))
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
