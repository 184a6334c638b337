"""ListOffsets (key 2) v1-11. v2: isolation. v4: leader epoch. v6: flexible. v7: max timestamp.
v8: earliest local offset, which is the log start without tiers. v9: latest tiered, v11: earliest
pending upload, of which there are none. v10: a timeout, for what is not read at once.
"""

from collections import Counter
from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.log.failures import DamagedLog
from data_plane.log.time_lookup import TimestampOffset
from data_plane.protocol.errors import (
    ErrorCode,
    InvalidRecord,
    KafkaError,
    LeaderNotAvailable,
    OffsetNotAvailable,
    UnsupportedCompression,
    UnsupportedVersion,
)
from data_plane.protocol.messages.list_offsets import (
    EARLIEST_LOCAL_TIMESTAMP,
    EARLIEST_PENDING_UPLOAD_TIMESTAMP,
    EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from data_plane.replication.partition import Partition
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 2, range(1, 12)

READ_COMMITTED = 1
NEVER = 1 << 15
NOT_AVAILABLE_FROM = 5  # OFFSET_NOT_AVAILABLE (KIP-207); before it LEADER_NOT_AVAILABLE
ALWAYS_KNOWN = (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP, LATEST_TIERED_TIMESTAMP)
# A batch is kept as its producer made it; one whose records nobody may or can open has no times.
UNREADABLE = (InvalidRecord, UnsupportedCompression)
NOT_FOUND = TimestampOffset(-1, -1, -1)
NAMED_SINCE = {  # the version with which each name of an offset came
    LATEST_TIMESTAMP: 1,
    EARLIEST_TIMESTAMP: 1,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL_TIMESTAMP: 8,
    LATEST_TIERED_TIMESTAMP: 9,
    EARLIEST_PENDING_UPLOAD_TIMESTAMP: 11,
}


def handle(
    broker: "Broker", ctx: RequestContext, request: ListOffsetsRequest
) -> ListOffsetsResponse:
    """Find offsets by time in each partition, as far as this kind of reader may see."""
    is_committed = request.isolation_level == READ_COMMITTED
    counts = Counter(
        (topic.name, wanted.partition_index)
        for topic in request.topics
        for wanted in topic.partitions
    )
    return ListOffsetsResponse(
        topics=[
            ListOffsetsResponseTopic(
                name=topic.name,
                partitions=[
                    _row(broker, ctx, topic.name, wanted, is_committed=is_committed)
                    if counts[topic.name, wanted.partition_index] == 1
                    else _asked_twice(wanted)
                    for wanted in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _asked_twice(wanted: ListOffsetsRequestPartition) -> ListOffsetsResponsePartition:
    return ListOffsetsResponsePartition(wanted.partition_index, ErrorCode.INVALID_REQUEST)


def _row(
    broker: "Broker",
    ctx: RequestContext,
    topic: str,
    wanted: ListOffsetsRequestPartition,
    *,
    is_committed: bool,
) -> ListOffsetsResponsePartition:
    index = wanted.partition_index
    partition = None
    try:
        broker.check_topic(ctx, AclOperation.DESCRIBE, topic)
        partition = broker.partition(topic, index)
        partition.check_epoch(wanted.current_leader_epoch)
        if wanted.timestamp < 0 and ctx.api_version < NAMED_SINCE.get(wanted.timestamp, NEVER):
            raise UnsupportedVersion
        if partition.is_catching_up and wanted.timestamp not in ALWAYS_KNOWN:
            is_known = ctx.api_version >= NOT_AVAILABLE_FROM
            raise OffsetNotAvailable if is_known else LeaderNotAvailable
        offset, timestamp, leader_epoch = find(
            partition, wanted.timestamp, is_committed=is_committed
        )
    except UNREADABLE:
        return ListOffsetsResponsePartition(index, ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT)
    except DamagedLog as error:
        if partition is not None:
            broker.found_damage(partition, error)
        return ListOffsetsResponsePartition(partition_index=index, error_code=error.code)
    except KafkaError as error:
        return ListOffsetsResponsePartition(partition_index=index, error_code=error.code)
    return ListOffsetsResponsePartition(
        partition_index=index, timestamp=timestamp, offset=offset, leader_epoch=leader_epoch
    )


def find(partition: Partition, timestamp_ms: int, *, is_committed: bool) -> TimestampOffset:
    """The offset, its timestamp, the leader epoch of its own batch; -1 for what is not there.

    timestamp_ms: Unix ms, or one of Kafka's negative names. Source: KIP-79, KIP-734.
    """
    if timestamp_ms == LATEST_TIMESTAMP:
        end = partition.limit(is_committed=is_committed)
        return TimestampOffset(end, -1, partition.leader_epoch)
    if timestamp_ms in (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP):
        start = partition.log.log_start_offset
        epoch = partition.log.epoch_at(start)
        is_empty = start == partition.log.log_end_offset
        # What will be written there will be of our epoch.
        return TimestampOffset(start, -1, partition.leader_epoch if is_empty else epoch)
    if timestamp_ms in (LATEST_TIERED_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP):
        return NOT_FOUND
    if timestamp_ms == MAX_TIMESTAMP:
        return partition.offset_of_max_timestamp(is_committed=is_committed) or NOT_FOUND
    return partition.offset_for_timestamp(timestamp_ms, is_committed=is_committed) or NOT_FOUND
