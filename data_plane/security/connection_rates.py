"""How fast connections may come: by address, by listener, and for the whole broker (KIP-612).

Who comes too fast by its address's quota is let go unserved, after a while; where a listener or
the broker has had enough, the next connection waits to be accepted. Either waits a second at most:
Kafka's bound for both.
"""

from collections import OrderedDict
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from data_plane.security.quotas import BUCKETS_MAX, BURST_S, CONNECTION_CREATION_RATE, Quotas
from data_plane.security.token_bucket import TokenBucket

WAIT_MS_MAX: Final = 1_000
BROKER: Final = ""  # Stands for all listeners together.


class ConnectionRates:
    """Counts arrivals beside what is allowed; time comes in as `now_ms`."""

    def __init__(self, quotas: Quotas) -> None:
        self._allowed = allowed_by_host(quotas)
        self._by_host: OrderedDict[str, TokenBucket] = OrderedDict()
        self._by_listener: dict[str, TokenBucket] = {}
        self._limits: dict[str, float] = {}

    def apply(self, quotas: Quotas) -> None:
        """Take new limits; what was counted stays."""
        self._allowed = allowed_by_host(quotas)

    def limit_listener(self, listener: str, per_s: float) -> None:
        """Allow so many connections per second by one listener, or by all: BROKER."""
        self._limits[listener] = per_s

    def accept_wait_ms(self, listener: str, now_ms: int) -> int:
        """How long `listener` must not accept; 0: it may."""
        waits = (bucket.owed_ms(per_s, now_ms) for bucket, per_s in self._over(listener, now_ms))
        return min(max(waits, default=0), WAIT_MS_MAX)

    def accepted(self, listener: str, now_ms: int) -> None:
        """A connection has come by `listener`."""
        for bucket, per_s in self._over(listener, now_ms):
            bucket.take(1, per_s, now_ms)

    def refused_ms(self, host: str, now_ms: int) -> int:
        """Count one connection of `host`, or refuse it: close it after that many milliseconds."""
        per_s = self._allowed.get(host, self._allowed.get(None))
        if per_s is None:
            return 0
        bucket = self._bucket(host, per_s, now_ms)
        if owed_ms := bucket.owed_ms(per_s, now_ms):
            return min(owed_ms, WAIT_MS_MAX)
        bucket.take(1, per_s, now_ms)
        return 0

    def _over(self, listener: str, now_ms: int) -> Iterable[tuple[TokenBucket, float]]:
        """The limits that a connection by `listener` falls under."""
        for name in (listener, BROKER):
            per_s = self._limits.get(name)
            if per_s is not None:
                bucket = self._by_listener.get(name)
                if bucket is None:
                    bucket = self._by_listener[name] = new_bucket(per_s, now_ms)
                yield bucket, per_s

    def _bucket(self, host: str, per_s: float, now_ms: int) -> TokenBucket:
        found = self._by_host.get(host)
        if found is None:
            if len(self._by_host) >= BUCKETS_MAX:
                self._by_host.popitem(last=False)
            found = self._by_host[host] = new_bucket(per_s, now_ms)
        else:
            self._by_host.move_to_end(host)
        return found


def new_bucket(per_s: float, now_ms: int) -> TokenBucket:
    return TokenBucket(per_s, now_ms, burst_s=BURST_S[CONNECTION_CREATION_RATE])


def allowed_by_host(quotas: Quotas) -> dict[str | None, float]:
    """Connections per second by address in its normal form; None: every other address."""
    allowed: dict[str | None, float] = {}
    for entity, values in quotas.items():
        if CONNECTION_CREATION_RATE in values:
            ((_, host),) = entity
            address = None if host is None else str(ip_address(host))
            allowed[address] = values[CONNECTION_CREATION_RATE]
    return allowed
