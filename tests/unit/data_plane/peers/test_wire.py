"""What brokers say among themselves, by the level of `ottla.version` that both speak."""

import pytest

from data_plane.peers.wire import channel_of, encode_asked
from data_plane.protocol.headers import read_request_header
from data_plane.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from data_plane.protocol.messages.alter_partition import AlterPartitionRequest
from data_plane.protocol.messages.fetch import FetchRequest
from data_plane.protocol.messages.write_txn_markers import (
    WriteTxnMarkersRequest,
    WriteTxnMarkersRequestMarker,
)
from data_plane.protocol.schema import decode


@pytest.mark.parametrize(("level", "version", "told"), [(1, 1, 0), (2, 2, 2), (9, 2, 2)])
def test_a_marker_tells_the_transaction_version_from_level_2_on(
    level: int, version: int, told: int
) -> None:
    row = WriteTxnMarkersRequestMarker(1, 2, True, transaction_version=2)
    asked, frame = encode_asked(WriteTxnMarkersRequest([row]), 1, level)
    assert asked.version == version
    _, at = read_request_header(memoryview(frame))
    (marker,) = decode(WriteTxnMarkersRequest, version, frame, at).markers
    assert marker.transaction_version == told


def test_what_waits_for_something_else_has_a_way_of_its_own() -> None:
    """Answers leave in order: a change of an ISR must not wait for markers that wait for it."""
    asked = (
        FetchRequest(rack_id="synced"),
        FetchRequest(rack_id="spread"),
        WriteTxnMarkersRequest([]),
        AddPartitionsToTxnRequest([]),
        AlterPartitionRequest(broker_id=0),
    )
    assert len({channel_of(request) for request in asked}) == len(asked)
