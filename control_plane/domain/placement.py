"""Where a cluster's brokers go: over racks and nodes as evenly as the nodes that report allow.

Pure. One cluster is never half placed. The first brokers vote in the metadata quorum, so that going
round the nodes puts at most one voter on each while there are nodes enough.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

PORTS_PER_BROKER = 3  # for clients, for its agent, for metrics
PEER_PORTS = 2  # more, where brokers talk between nodes: replication and quorum


class Peers(StrEnum):
    """How the brokers of a cluster talk to each other; never changed while there are several."""

    SOCKETS = "sockets"  # all on one node
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Room:
    """A node that reports, and what it has to give. rack None: a zone of its own."""

    node_id: uuid.UUID
    rack: str | None
    free_ports: int
    broker_count: int  # of all clusters

    @property
    def zone(self) -> str:
        return self.rack or str(self.node_id)


@dataclass(frozen=True, slots=True)
class Placement:
    """nodes: for each new broker, in order of their ids."""

    nodes: Sequence[uuid.UUID]
    peers: Peers


def place(
    count: int,
    rooms: Sequence[Room],
    *,
    own: Sequence[uuid.UUID] = (),
    peers: Peers | None = None,
) -> Placement | None:
    """Place `count` new brokers beside those on `own`; None: there is no room for all.

    peers: how those of `own` talk already; None: there is one at most, which talks to nobody.
    """
    if count + len(own) == 1 or (own and peers is Peers.SOCKETS):
        return _on_one_node(count, rooms, own)
    # A broker that was alone gets ports for the others, too.
    taken = Counter(dict.fromkeys(own, PEER_PORTS) if peers is None else {})
    nodes = _spread(count, rooms, own, taken)
    if nodes is not None and len({*nodes, *own}) > 1:
        return Placement(nodes, Peers.TLS)
    return None if peers is Peers.TLS else _on_one_node(count, rooms, own)


def _on_one_node(count: int, rooms: Sequence[Room], own: Sequence[uuid.UUID]) -> Placement | None:
    fit = [
        room
        for room in rooms
        if room.free_ports >= count * PORTS_PER_BROKER and (not own or room.node_id in own)
    ]
    if not fit:
        return None
    best = min(fit, key=lambda room: (room.broker_count, room.node_id))
    return Placement([best.node_id] * count, Peers.SOCKETS)


def _spread(
    count: int,
    rooms: Sequence[Room],
    own: Sequence[uuid.UUID],
    taken: Mapping[uuid.UUID, int],
) -> list[uuid.UUID] | None:
    zone_of = {room.node_id: room.zone for room in rooms}
    on_node = Counter(own)
    in_zone = Counter(zone_of.get(node_id, str(node_id)) for node_id in own)
    free = {room.node_id: room.free_ports - taken.get(room.node_id, 0) for room in rooms}
    nodes: list[uuid.UUID] = []
    for _ in range(count):
        fit = [room for room in rooms if free[room.node_id] >= PORTS_PER_BROKER + PEER_PORTS]
        if not fit:
            return None
        best = min(
            fit,
            key=lambda room: (
                in_zone[room.zone],
                on_node[room.node_id],
                room.broker_count,
                room.node_id,
            ),
        )
        nodes.append(best.node_id)
        on_node[best.node_id] += 1
        in_zone[best.zone] += 1
        free[best.node_id] -= PORTS_PER_BROKER + PEER_PORTS
    return nodes
