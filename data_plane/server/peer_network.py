"""One broker's part in the network of brokers: the listener for the others, the way to them."""

import asyncio
from collections.abc import Callable

from data_plane.broker.broker import Broker
from data_plane.broker.config import Limits, PeerListenerConfig
from data_plane.broker.loopback import INTERNAL_LISTENER, ask_self
from data_plane.metadata.features import CLUSTER_LEVEL, level_among
from data_plane.metadata.records import BrokerListener
from data_plane.peers.client import PeerClient
from data_plane.replication.peers import OnReply
from data_plane.server.internal_listener import InternalListener, address_in
from data_plane.server.listener import Connections
from data_plane.server.turns import Turns, nothing


class PeerNetwork:
    """Bound before the broker is opened, attached to it then, opened when it may serve."""

    def __init__(
        self,
        config: PeerListenerConfig,
        *,
        broker_id: int,
        cluster_id: str,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Bind. Raises AddressRefused or TlsRefused."""
        self._listener = InternalListener(config, cluster_id=cluster_id)
        self._limits = limits
        self._connections = Connections(limits, loop)  # Clients' limits are not the brokers'.
        self._broker: Broker | None = None
        self._end_turn: Callable[[], None] = nothing
        self.peers = PeerClient(
            broker_id,
            loop=loop,
            address_of=self._address_of,
            level_of=self._level_of,
            ask_self=self._ask_self,
            on_turn=self._end,
            tls=self._listener.client_context,
        )

    @property
    def advertised(self) -> BrokerListener:
        """What the broker's registration says of it."""
        return self._listener.advertised

    def attach(self, turns: Turns) -> None:
        """From now on the image tells where the others are, and answers end turns."""
        self._broker = turns.broker
        self._end_turn = turns.end

    async def open(self, turns: Turns) -> None:
        """Let the others in."""
        await self._listener.open(turns, self._limits, self._connections)

    def reload(self) -> None:
        """Read certificates anew; raises TlsRefused, and what was there stays in force."""
        self._listener.reload()

    def close_listener(self) -> None:
        self._listener.close()

    def close(self) -> None:
        """Hang up on everybody."""
        self._listener.close()
        self.peers.close()
        self._connections.close_all()

    def _end(self) -> None:
        self._end_turn()

    def _address_of(self, broker_id: int) -> str | None:
        known = None if self._broker is None else self._broker.image.brokers.get(broker_id)
        for listener in () if known is None else known.listeners:
            if listener.name == INTERNAL_LISTENER:
                return address_in(listener)
        return None

    def _level_of(self, broker_id: int) -> int:
        if self._broker is None:
            return CLUSTER_LEVEL
        level = level_among(self._broker.image, broker_id)
        return min(level, self._broker.config.ottla_version_max)

    def _ask_self(self, request: object, on_reply: OnReply) -> None:
        assert self._broker is not None, "a broker asks nothing before it is there"
        ask_self(self._broker, request, on_reply)
