"""OffsetCommit (key 8) v2-10. v2-v4: retention of the client's choice. v6: leader epoch.
v7: static members (KIP-345). v8: flexible. v9: GROUP_ID_NOT_FOUND. v10: topics by id.
"""

from collections.abc import Iterable, Sequence

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.broker.offset_rows import Row, decide_rows
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.coordinator.offsets import OffsetsCommit
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 8, range(2, 11)

TOPIC_IDS_FROM = 10


def handle(
    broker: GroupBroker, ctx: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | Parked:
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return _refused(request, ErrorCode.GROUP_AUTHORIZATION_FAILED)
    shard = broker.group_shard(request.group_id)

    def decide(offsets: Sequence[OffsetCommitted]) -> Decision[tuple[ErrorCode, ...]]:
        commit = OffsetsCommit(
            group_id=request.group_id,
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            generation=request.generation_id_or_member_epoch,
            api_version=ctx.api_version,
            offsets=offsets,
        )
        return shard.decide_offset_commit(commit, now_ms=ctx.now_ms)

    retention_ms = request.retention_time_ms
    decision = decide_rows(
        broker,
        ctx,
        request.group_id,
        _rows(broker, ctx, request),
        decide,
        expire_ms=ctx.now_ms + retention_ms if retention_ms >= 0 else -1,
    )
    return broker.commit(shard, decision.answering(_response(request, decision.response)))


def error_response(request: OffsetCommitRequest, error: KafkaError) -> OffsetCommitResponse:
    return _refused(request, error.code)


def _rows(broker: GroupBroker, ctx: RequestContext, request: OffsetCommitRequest) -> list[Row]:
    names = broker.image.topic_names
    has_ids = ctx.api_version >= TOPIC_IDS_FROM
    return [
        Row(names.get(topic.topic_id) if has_ids else topic.name, partition)
        for topic in request.topics
        for partition in topic.partitions
    ]


def _refused(request: OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse:
    return _response(request, [code for topic in request.topics for _ in topic.partitions])


def _response(request: OffsetCommitRequest, codes: Iterable[ErrorCode]) -> OffsetCommitResponse:
    """One code for each row, in the request's order."""
    code = iter(codes)
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition.partition_index, next(code))
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
