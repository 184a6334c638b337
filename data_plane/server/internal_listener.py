"""Where other brokers of the cluster come in: a socket file on one node, mutual TLS between nodes.

Whoever comes by it is a broker, so nobody else may: on one node the kernel tells as whom the other
process runs, between nodes its certificate tells that the cluster's CA made it for a broker.
"""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

from data_plane.broker.config import Limits, PeerListenerConfig
from data_plane.broker.dispatch import Session
from data_plane.broker.loopback import INTERNAL_LISTENER, internal_session
from data_plane.metadata.records import BrokerListener
from data_plane.peers.addresses import ForeignPeer, bound, check_same_user, unix_path
from data_plane.peers.silence import notice_silence
from data_plane.security.certificates import ForeignCertificate
from data_plane.server.connection import Connection
from data_plane.server.door import Door
from data_plane.server.listener import Connections
from data_plane.server.peer_tls import check_broker_certificate, peer_contexts, reload_contexts
from data_plane.server.turns import Turns


class InternalListener:
    """The internal listener of this broker; bound at once, opened when the broker may serve."""

    def __init__(self, config: PeerListenerConfig, *, cluster_id: str) -> None:
        """Bind. Raises AddressRefused or TlsRefused."""
        self._config = config
        self._cluster_id = cluster_id
        self._path = unix_path(config.address)
        self._context, self.client_context = peer_contexts(config.tls)
        self._socket = bound(config.address)
        self._server: asyncio.Server | None = None

    @property
    def name(self) -> str:
        return INTERNAL_LISTENER

    @property
    def advertised(self) -> BrokerListener:
        """How the other brokers find it."""
        address = self._config.reached_at
        if self._path is None and address.endswith(":0"):  # The system has chosen a port.
            address = address.removesuffix("0") + str(self._socket.getsockname()[1])
        return internal_address(address)

    async def open(self, turns: Turns, limits: Limits, connections: Connections) -> None:
        """Begin to accept; the connections are counted apart from those of clients."""
        loop = asyncio.get_running_loop()

        def protocol() -> Connection:
            return Connection(turns, limits, Door(self, connections, None))

        if self._path is not None:
            self._server = await loop.create_unix_server(protocol, sock=self._socket)
        else:
            assert self._context is not None, "an address between nodes has TLS"
            self._server = await loop.create_server(protocol, sock=self._socket, ssl=self._context)

    def reload(self) -> None:
        """As Listener.reload, for both ways; a CA that is not named any more stays trusted."""
        reload_contexts(self._config.tls, (self._context, self.client_context))

    def session(self, transport: asyncio.Transport) -> Session:
        """Who came. Raises ForeignCertificate."""
        if self._path is not None:
            peer: socket.socket = transport.get_extra_info("socket")
            try:
                check_same_user(peer)
            except ForeignPeer as error:
                raise ForeignCertificate(str(error)) from error
            return internal_session()
        notice_silence(transport)
        check_broker_certificate(transport.get_extra_info("peercert"), self._cluster_id)
        host = str((transport.get_extra_info("peername") or ("",))[0])
        return internal_session(host)

    def close(self) -> None:
        """Accept no more; what is connected stays."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        if self._path is not None:
            with suppress(OSError):
                Path(self._path).unlink()


def internal_address(address: str) -> BrokerListener:
    """An address as a registration carries it: `unix:PATH` as the host, or host and port."""
    if unix_path(address) is not None:
        return BrokerListener(INTERNAL_LISTENER, address, 0)
    host, _, port = address.rpartition(":")
    return BrokerListener(INTERNAL_LISTENER, host.strip("[]"), int(port))


def address_in(listener: BrokerListener) -> str:
    """The reverse of `internal_address`."""
    if unix_path(listener.host) is not None:
        return listener.host
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"{host}:{listener.port}"
