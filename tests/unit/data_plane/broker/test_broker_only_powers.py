"""S3: what only brokers and controllers may ask is refused on a listener for clients."""

import struct

import pytest

from data_plane.broker.dispatch import CloseConnection, dispatch
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from tests.unit.data_plane.broker.world import World

BROKER_ONLY = {
    4: "LeaderAndIsr",
    5: "StopReplica",
    6: "UpdateMetadata",
    7: "ControlledShutdown",
    52: "Vote",
    53: "BeginQuorumEpoch",
    54: "EndQuorumEpoch",
    56: "AlterPartition",
    58: "Envelope",
    59: "FetchSnapshot",
    62: "BrokerRegistration",
    63: "BrokerHeartbeat",
    67: "AllocateProducerIds",
    70: "ControllerRegistration",
    73: "AssignReplicasToDirs",
    80: "AddRaftVoter",
    81: "RemoveRaftVoter",
    82: "UpdateRaftVoter",
}


@pytest.mark.parametrize("key", BROKER_ONLY, ids=BROKER_ONLY.values())
def test_requests_between_brokers_close_even_for_super_users(key: int) -> None:
    world = World()
    frame = memoryview(struct.pack(">hhih", key, 0, 7, -1) + bytes(64))
    with pytest.raises(CloseConnection, match="is not served"):
        dispatch(world.broker, world.session, frame, world.now_ms)


@pytest.mark.parametrize("version", [4, 11, 12])
@pytest.mark.parametrize("replica_id", [0, 1, 1 << 30])
def test_a_client_cannot_fetch_as_a_follower(version: int, replica_id: int) -> None:
    """CVE-2018-1288: it would read above the high watermark and move it."""
    world = World()
    world.create_topic("t")
    rows = [FetchRequestPartition(0, fetch_offset=0)]
    request = FetchRequest(
        replica_id=replica_id, max_wait_ms=0, topics=[FetchRequestTopic("t", partitions=rows)]
    )
    with pytest.raises(CloseConnection, match="followers do not fetch"):
        world.ask(request, version)
