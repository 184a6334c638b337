"""What this broker asks of other brokers about transactions: of coordinators, and of leaders.

An answer that never comes is NETWORK_EXCEPTION: nobody knows whether it was done. Both questions
may be asked again without harm.
"""

from collections.abc import Callable
from typing import Final

from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnRequestTopic,
    AddPartitionsToTxnRequestTransaction,
    AddPartitionsToTxnResponse,
)
from data_plane.protocol.messages.write_txn_markers import (
    WriteTxnMarkersRequest,
    WriteTxnMarkersRequestMarker,
    WriteTxnMarkersRequestTopic,
    WriteTxnMarkersResponse,
)
from data_plane.protocol.records.control import Marker, MarkerType
from data_plane.replication.peers import Peers
from data_plane.replication.waiting import Parked

ANSWER_MS_MAX: Final = 10_000


def ask_coordinator(
    peers: Peers,
    coordinator_id: int,
    transactional_id: str,
    who: ProducerIdAndEpoch,
    at: TopicPartition,
    *,
    verify_only: bool,
) -> Parked:
    """Ask whether a partition is in a transaction, or have it added; answers an ErrorCode."""
    topic, index = at
    transaction = AddPartitionsToTxnRequestTransaction(
        transactional_id,
        *who,
        verify_only,
        [AddPartitionsToTxnRequestTopic(topic, [index])],
    )
    parked = Parked()

    def answered(response: object) -> None:
        parked.complete(_added_code(response))

    peers.request(
        coordinator_id,
        AddPartitionsToTxnRequest([transaction]),
        answered,
        timeout_ms=ANSWER_MS_MAX,
    )
    return parked


def _added_code(response: object) -> ErrorCode:
    if not isinstance(response, AddPartitionsToTxnResponse):
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if response.error_code:
        return ErrorCode(response.error_code)
    codes = [
        row.partition_error_code
        for transaction in response.results_by_transaction
        for topic in transaction.topic_results
        for row in topic.results_by_partition
    ]
    return ErrorCode(codes[0]) if codes else ErrorCode.COORDINATOR_NOT_AVAILABLE


def send_marker(
    peers: Peers,
    leader_id: int,
    at: TopicPartition,
    producer: ProducerIdAndEpoch,
    marker: Marker,
    done: Callable[[KafkaError | None], None],
) -> None:
    """Have a partition's leader write a marker; `done` hears how it went, once."""
    topic, index = at
    row = WriteTxnMarkersRequestMarker(
        *producer,
        transaction_result=marker.type is MarkerType.COMMIT,
        topics=[WriteTxnMarkersRequestTopic(topic, [index])],
        coordinator_epoch=marker.coordinator_epoch,
        transaction_version=marker.transaction_version,
    )

    def answered(response: object) -> None:
        code = _marker_code(response)
        done(None if code is ErrorCode.NONE else KafkaError(code=code))

    peers.request(leader_id, WriteTxnMarkersRequest([row]), answered, timeout_ms=ANSWER_MS_MAX)


def _marker_code(response: object) -> ErrorCode:
    if not isinstance(response, WriteTxnMarkersResponse):
        return ErrorCode.NETWORK_EXCEPTION
    codes = [
        row.error_code
        for marker in response.markers
        for topic in marker.topics
        for row in topic.partitions
    ]
    return ErrorCode(codes[0]) if codes else ErrorCode.NETWORK_EXCEPTION
