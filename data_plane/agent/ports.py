"""Ports of brokers: picked from the node's range, kept on disk, never shared between brokers.

The client port may be told to clients, so it is picked again only before the first successful
start. The loopback ports (the agent's own listener, metrics) are nobody else's business and are
picked again whenever they are taken. Clients' ports grow from the range's start, loopback ports
from its end: not from the kernel's ephemeral range, where any outgoing connection may sit on a
port between two starts of its broker.
"""

import socket
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace

from data_plane.agent.config import PortRange
from data_plane.agent.storage import BrokerStorage, read_json, write_json

LOOPBACK = "127.0.0.1"


class PortTaken(Exception):
    """A port a broker must have is held by another process; the message says which."""


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    client: int  # TLS, advertised
    admin: int  # TLS, loopback: the agent's own listener, whatever name clients use
    metrics: int  # plain HTTP, loopback
    has_served: bool = False  # once true, `client` is kept for good
    internal: int = 0  # TLS, for brokers of other nodes; 0: none
    quorum: int = 0  # the same, for the metadata quorum

    @property
    def all(self) -> set[int]:
        return {self.client, self.admin, self.metrics, self.internal, self.quorum} - {0}


@dataclass(frozen=True, slots=True)
class WantedPeerPorts:
    """What the other nodes have been told of a broker's ports; 0: nothing yet."""

    internal: int = 0
    quorum: int = 0


@dataclass(frozen=True, slots=True)
class PickedPorts:
    ports: BrokerPorts
    note: str = ""  # what was taken, and what is used instead


class PortBook:
    """All ports of this agent's brokers. One per agent: it is what keeps brokers apart."""

    def __init__(self, ports: PortRange, bind_host: str) -> None:
        self._range = ports
        self._bind_host = bind_host
        self._held: dict[str, BrokerPorts] = {}  # by broker directory

    def load(self, brokers: Iterable[BrokerStorage]) -> None:
        for broker in brokers:
            if (ports := kept_ports(broker)) is not None:
                self._held[str(broker.root)] = ports

    def prepare(
        self, broker: BrokerStorage, wanted: int, peers: WantedPeerPorts | None = None
    ) -> PickedPorts:
        """Ports with which the broker, not running now, can start; kept on disk.

        wanted: the client port the spec asks for, 0 for any. peers: None where it needs none.
        Raises PortTaken where a port is fixed, by the spec or by a former start, and held by
        another process.
        """
        kept = kept_ports(broker)
        others = self._ports_of_others(broker)
        client, note = self._client_port(broker, kept, wanted, others)
        # Clients of one broker are told of all: the agents' listeners of several nodes, too.
        admin_host = LOOPBACK if peers is None else self._bind_host
        admin = self._inner_port(admin_host, kept.admin if kept else 0, others | {client})
        used = others | {client, admin}
        metrics = self._inner_port(LOOPBACK, kept.metrics if kept else 0, used)
        has_served = bool(kept and kept.has_served and kept.client == client)
        ports = BrokerPorts(client, admin, metrics, has_served)
        if kept is not None:
            ports = replace(ports, internal=kept.internal, quorum=kept.quorum)
        if peers is not None:
            ports = self._with_peers(broker, kept, ports, others, peers)
        self._keep(broker, kept, ports)
        return PickedPorts(ports, note)

    def reserve_peers(self, broker: BrokerStorage, ports: BrokerPorts) -> BrokerPorts:
        """Add ports for brokers of other nodes to those of a broker that runs, for its next start.

        Raises PortTaken where none is free.
        """
        others = self._ports_of_others(broker)
        more = self._with_peers(broker, ports, ports, others, WantedPeerPorts())
        self._keep(broker, ports, more)
        return more

    def _keep(self, broker: BrokerStorage, kept: BrokerPorts | None, ports: BrokerPorts) -> None:
        if ports != kept:
            write_json(broker.ports, asdict(ports))
        self._held[str(broker.root)] = ports

    def _with_peers(
        self,
        broker: BrokerStorage,
        kept: BrokerPorts | None,
        ports: BrokerPorts,
        others: AbstractSet[int],
        wanted: WantedPeerPorts,
    ) -> BrokerPorts:
        """What the other nodes have been told stays; before that, any free port will do."""
        used = others | {ports.client, ports.admin, ports.metrics}
        internal = self._peer_port(broker, wanted.internal, kept.internal if kept else 0, used)
        quorum = self._peer_port(
            broker, wanted.quorum, kept.quorum if kept else 0, used | {internal}
        )
        return replace(ports, internal=internal, quorum=quorum)

    def _peer_port(
        self, broker: BrokerStorage, told: int, kept: int, others: AbstractSet[int]
    ) -> int:
        if told:
            if not is_free(self._bind_host, told):
                raise PortTaken(_is_held(told, broker.broker_id))
            return told
        return self._inner_port(self._bind_host, kept, others)

    def forget(self, broker: BrokerStorage) -> None:
        self._held.pop(str(broker.root), None)

    def _client_port(
        self,
        broker: BrokerStorage,
        kept: BrokerPorts | None,
        wanted: int,
        others: AbstractSet[int],
    ) -> tuple[int, str]:
        fixed = wanted or (kept.client if kept and kept.has_served else 0)
        if fixed:
            if not is_free(self._bind_host, fixed):
                raise PortTaken(_is_held(fixed, broker.broker_id))
            return fixed, ""
        if kept and kept.client not in others and is_free(self._bind_host, kept.client):
            return kept.client, ""
        return self._pick(broker, kept.client if kept else None, others)

    def _pick(
        self, broker: BrokerStorage, lost: int | None, others: AbstractSet[int]
    ) -> tuple[int, str]:
        taken = [lost] if lost is not None else []
        for port in self._range:
            if port in others or port == lost:
                continue
            if is_free(self._bind_host, port):
                return port, _note(broker.broker_id, taken, port)
            taken.append(port)
        raise PortTaken(self._exhausted())

    def _inner_port(self, host: str, kept: int, others: AbstractSet[int]) -> int:
        if kept and kept not in others and is_free(host, kept):
            return kept
        return self._from_end(host, others)

    def _from_end(self, host: str, others: AbstractSet[int]) -> int:
        for port in range(self._range.last, self._range.first - 1, -1):
            if port not in others and is_free(host, port):
                return port
        raise PortTaken(self._exhausted())

    def _ports_of_others(self, broker: BrokerStorage) -> set[int]:
        held = (ports for key, ports in self._held.items() if key != str(broker.root))
        return {port for ports in held for port in ports.all}

    def _exhausted(self) -> str:
        return (
            f"no port of {self._range.first}-{self._range.last} is free, and each broker needs "
            "three, or five in a cluster over several nodes: widen the agent's port range or free "
            "some"
        )


def _is_held(port: int, broker_id: int) -> str:
    return (
        f"port {port} of broker {broker_id} is held by another process on this machine: stop that "
        "process; the broker then starts by itself"
    )


def _note(broker_id: int, taken: list[int], used: int) -> str:
    if not taken:
        return ""
    first = f"port {taken[0]} is" if len(taken) == 1 else f"ports {taken[0]}-{taken[-1]} are"
    return f"{first} held by another process on this machine; broker {broker_id} uses {used}"


def kept_ports(broker: BrokerStorage) -> BrokerPorts | None:
    value = read_json(broker.ports)
    try:
        return BrokerPorts(**value) if value is not None else None
    except TypeError:
        return None  # a damaged file: ports are picked anew


def mark_served(broker: BrokerStorage, ports: BrokerPorts) -> BrokerPorts:
    """Keep the client port for good: from now on clients may know it."""
    if ports.has_served:
        return ports
    served = replace(ports, has_served=True)
    write_json(broker.ports, asdict(served))
    return served


def is_free(host: str, port: int) -> bool:
    """Whether a listener could bind here now; connections in TIME_WAIT do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
