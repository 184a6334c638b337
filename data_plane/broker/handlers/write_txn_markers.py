"""WriteTxnMarkers (key 27) v1-2, flexible. For coordinators, and for the admin's abort of a hanging
transaction (KIP-664), which stays with v1. v2: transaction version, among brokers (KIP-1228).
"""

from typing import TYPE_CHECKING

from data_plane.broker.admin_access import allows_cluster
from data_plane.broker.context import RequestContext
from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.coordinator.transactions_topic import TRANSACTIONS_TOPIC
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.write_txn_markers import (
    WriteTxnMarkersRequest,
    WriteTxnMarkersRequestMarker,
    WriteTxnMarkersResponse,
    WriteTxnMarkersResponseMarker,
    WriteTxnMarkersResponsePartition,
    WriteTxnMarkersResponseTopic,
)
from data_plane.protocol.records.control import Marker, MarkerType
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 27, range(1, 2)

Where = tuple[int, TopicPartition]  # (which marker of the request, partition)


def handle(
    broker: "Broker", ctx: RequestContext, request: WriteTxnMarkersRequest
) -> WriteTxnMarkersResponse | Parked:
    is_allowed = allows_cluster(broker, ctx, AclOperation.ALTER) or allows_cluster(
        broker, ctx, AclOperation.CLUSTER_ACTION
    )
    if not is_allowed:
        code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        return _response(request, dict.fromkeys(_places(request), code))
    pending = PendingMarkers(request)
    pending.write_all(broker, ctx.now_ms)
    return pending


def error_response(request: WriteTxnMarkersRequest, error: KafkaError) -> WriteTxnMarkersResponse:
    return _response(request, dict.fromkeys(_places(request), error.code))


class PendingMarkers(Parked):
    """Markers on their way: each partition settles once, the last one completes the reply."""

    __slots__ = ("_codes", "_missing", "_request")

    def __init__(self, request: WriteTxnMarkersRequest) -> None:
        super().__init__(mutes=False)  # The markers behind it are of other partitions.
        self._request = request
        self._codes: dict[Where, ErrorCode] = {}
        self._missing = set(_places(request))

    def write_all(self, broker: "Broker", now_ms: int) -> None:
        for where in list(dict.fromkeys(_places(self._request))):
            self._write(broker, where, now_ms)
        self._complete_if_settled()

    def _write(self, broker: "Broker", where: Where, now_ms: int) -> None:
        number, at = where
        if at[0] == TRANSACTIONS_TOPIC:
            self._settle(where, ErrorCode.INVALID_REQUEST)  # No transaction ever spans it.
            return
        row = self._request.markers[number]

        def done(error: KafkaError | None) -> None:
            self._settle(where, ErrorCode.NONE if error is None else error.code)

        broker.coordinators.markers.write_here(
            at,
            ProducerIdAndEpoch(row.producer_id, row.producer_epoch),
            _marker(row),
            now_ms=now_ms,
            done=done,
        )

    def _settle(self, where: Where, code: ErrorCode) -> None:
        self._codes[where] = code
        self._missing.discard(where)
        self._complete_if_settled()

    def _complete_if_settled(self) -> None:
        if not self._missing:
            self.complete(_response(self._request, self._codes))


def _marker(row: WriteTxnMarkersRequestMarker) -> Marker:
    kind = MarkerType.COMMIT if row.transaction_result else MarkerType.ABORT
    return Marker(kind, row.coordinator_epoch, row.transaction_version)


def _places(request: WriteTxnMarkersRequest) -> list[Where]:
    return [
        (number, (topic.name, index))
        for number, marker in enumerate(request.markers)
        for topic in marker.topics
        for index in topic.partition_indexes
    ]


def _response(
    request: WriteTxnMarkersRequest, codes: dict[Where, ErrorCode]
) -> WriteTxnMarkersResponse:
    return WriteTxnMarkersResponse(
        [
            WriteTxnMarkersResponseMarker(
                marker.producer_id,
                [
                    WriteTxnMarkersResponseTopic(
                        topic.name,
                        [
                            WriteTxnMarkersResponsePartition(
                                index, codes[number, (topic.name, index)]
                            )
                            for index in topic.partition_indexes
                        ],
                    )
                    for topic in marker.topics
                ],
            )
            for number, marker in enumerate(request.markers)
        ]
    )
