"""How fast connections may come by one listener: quotas and settings, on the broker's clock."""

from data_plane.broker.admin_access import broker_number, config_scope
from data_plane.metadata.image import MetadataImage
from data_plane.security.connection_rates import BROKER
from data_plane.server.turns import Turns

RATE_KEY = "max.connection.creation.rate"


class ListenerPace:
    """What an acceptor asks before and after each connection (KIP-612)."""

    def __init__(self, listener: str, per_s_max: int | None, turns: Turns) -> None:
        """per_s_max: by this listener alone; None: as many as the broker takes in all."""
        self._listener = listener
        self._turns = turns
        self._seen: MetadataImage | None = None  # whose settings are in force
        if per_s_max is not None:
            turns.broker.quotas.connections.limit_listener(listener, per_s_max)

    def accept_wait_ms(self) -> int:
        """How long not to accept; 0: the next may come."""
        self._look_at_settings()
        return self._turns.broker.quotas.connections.accept_wait_ms(
            self._listener, self._turns.clock.now_ms()
        )

    def refused_ms(self, host: str) -> int:
        """Count a connection; above 0: `host` comes too fast, close it after that time."""
        rates, now_ms = self._turns.broker.quotas.connections, self._turns.clock.now_ms()
        held_ms = rates.refused_ms(host, now_ms)
        if not held_ms:
            rates.accepted(self._listener, now_ms)
        return held_ms

    def accepted_until_ms(self) -> int:
        """Until when a connection that was just accepted is not to be read from."""
        return self._turns.clock.now_ms() + self.accept_wait_ms()

    def _look_at_settings(self) -> None:
        """Finding a setting takes longer than accepting; images are the same until one changes."""
        broker = self._turns.broker
        if self._seen is not broker.image:
            self._seen = broker.image
            per_s_max = broker_number(config_scope(broker, self._seen), RATE_KEY)
            broker.quotas.connections.limit_listener(BROKER, per_s_max)
