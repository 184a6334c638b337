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

    def prepare(self, broker: BrokerStorage, wanted: int) -> PickedPorts:
        """Ports with which the broker, not running now, can start; kept on disk.

        wanted: the client port the spec asks for, 0 for any. Raises PortTaken where the client
        port is fixed, by the spec or by a former start, and held by another process.
        """
        kept = kept_ports(broker)
        others = self._ports_of_others(broker)
        client, note = self._client_port(broker, kept, wanted, others)
        admin = self._loopback_port(kept.admin if kept else 0, others | {client})
        metrics = self._loopback_port(kept.metrics if kept else 0, others | {client, admin})
        has_served = bool(kept and kept.has_served and kept.client == client)
        ports = BrokerPorts(client, admin, metrics, has_served)
        if ports != kept:
            write_json(broker.ports, asdict(ports))
        self._held[str(broker.root)] = ports
        return PickedPorts(ports, note)

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
                raise PortTaken(
                    f"port {fixed} of broker {broker.broker_id} is held by another process on "
                    f"this machine: stop that process; the broker then starts by itself"
                )
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

    def _loopback_port(self, kept: int, others: AbstractSet[int]) -> int:
        if kept and kept not in others and is_free(LOOPBACK, kept):
            return kept
        for port in range(self._range.last, self._range.first - 1, -1):
            if port not in others and is_free(LOOPBACK, port):
                return port
        raise PortTaken(self._exhausted())

    def _ports_of_others(self, broker: BrokerStorage) -> set[int]:
        held = (ports for key, ports in self._held.items() if key != str(broker.root))
        return {port for ports in held for port in (ports.client, ports.admin, ports.metrics)}

    def _exhausted(self) -> str:
        return (
            f"no port of {self._range.first}-{self._range.last} is free, and each broker needs "
            "three: widen the agent's port range or free some"
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
