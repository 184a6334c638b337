"""Who leads what this broker does not lead any more, told with the refusal (KIP-951).

A client that is told where to go on need not ask for metadata first: one round trip and one
back-off less in each failover.
"""

from collections.abc import Sequence

from data_plane.broker.metadata_rows import listener_of
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.hot.leaders import Endpoint, Leader
from data_plane.protocol.hot.produce import Results

MOVED = frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH})


class LeaderHints:
    """What one response tells; `endpoints` are of the leaders that were asked for."""

    def __init__(self, image: MetadataImage, listener: str, own_id: int) -> None:
        """own_id: of the broker that answers: it has just said that it does not lead."""
        self._own_id = own_id
        self._image = image
        self._listener = listener
        self._endpoints: dict[int, Endpoint] = {}

    def of(self, topic: TopicKey, index: int) -> Leader | None:
        """None where nobody leads whom the client could reach."""
        image = self._image
        name = topic if isinstance(topic, str) else image.topic_names.get(topic, "")
        row = image.partition(name, index)
        broker = None if row is None else image.brokers.get(row.leader)
        if row is None or broker is None or broker.is_fenced or broker.broker_id == self._own_id:
            return None
        found = listener_of(broker, self._listener)
        if found is None:
            return None
        self._endpoints[broker.broker_id] = Endpoint(
            broker.broker_id, found.host, found.port, broker.rack or None
        )
        return Leader(broker.broker_id, row.leader_epoch)

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return [self._endpoints[key] for key in sorted(self._endpoints)]


def with_leaders(
    results: Results, image: MetadataImage, listener: str, own_id: int
) -> Sequence[Endpoint]:
    """Name in a produce's answer the leaders of what is led elsewhere; returns where they are."""
    hints = LeaderHints(image, listener, own_id)
    for topic, rows in results:
        for result in rows:
            if result.error_code in MOVED:
                result.current_leader = hints.of(topic, result.index)
    return hints.endpoints
