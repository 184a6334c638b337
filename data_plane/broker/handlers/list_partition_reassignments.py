"""ListPartitionReassignments (key 46) v0, flexible. (KIP-455)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.image import TopicImage
from data_plane.metadata.reassignments import moves_in
from data_plane.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsResponsePartition,
    ListPartitionReassignmentsResponseTopic,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 46, range(1)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """What moves, of the partitions asked for or of all. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.DESCRIBE)
    image = broker.image
    if request.topics is None:
        rows = [_row(topic, None) for topic in image.topics.values()]
    else:
        asked = {each.name: set(each.partition_indexes) for each in request.topics}
        rows = [
            _row(image.topics[name], indexes)
            for name, indexes in asked.items()
            if name in image.topics
        ]
    return ListPartitionReassignmentsResponse(topics=[row for row in rows if row.partitions])


def _row(topic: TopicImage, indexes: set[int] | None) -> ListPartitionReassignmentsResponseTopic:
    return ListPartitionReassignmentsResponseTopic(
        topic.name,
        [
            ListPartitionReassignmentsResponsePartition(
                row.partition_index, row.replicas, row.adding_replicas, row.removing_replicas
            )
            for row in moves_in(topic)
            if indexes is None or row.partition_index in indexes
        ],
    )
