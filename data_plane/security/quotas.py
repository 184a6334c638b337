"""Client quotas, pure: which limit holds for whom, and how long who exceeds it must wait.

Rates are measured as Kafka does (KIP-13): over up to 11 windows of a second, the last under way,
and over at least ten seconds, so that a burst is weighed against the time before it. Who is over
waits until the rate has sunk to the limit: (rate - limit) / limit of the time it was measured over.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

WINDOWS: Final = 11  # quota.window.num
WINDOW_MS: Final = 1_000  # quota.window.size.seconds
MEASURED_MS_MIN: Final = (WINDOWS - 1) * WINDOW_MS
THROTTLE_MS_MAX: Final = WINDOWS * WINDOW_MS  # What is older than all windows is forgotten.
RATES_MAX: Final = 10_000  # Clients choose their ids, so these are bounded.

USER, CLIENT_ID = "user", "client-id"
PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE = "producer_byte_rate", "consumer_byte_rate"

# (type, name) pairs sorted by type; a name of None is the default of its type.
QuotaEntity = tuple[tuple[str, str | None], ...]
Quotas = Mapping[QuotaEntity, Mapping[str, float]]


class Limit(NamedTuple):
    """A limit in bytes per second, and who shares it: "" stands for everybody."""

    per_s: float
    user: str
    client_id: str


class Rate:
    """How much came in the last windows; windows begin at whole multiples of their length."""

    __slots__ = ("_amounts", "_oldest")

    def __init__(self) -> None:
        self._amounts: list[float] = []
        self._oldest = 0  # Number of the first window in `_amounts`.

    def add(self, amount: float, now_ms: int) -> None:
        number = now_ms // WINDOW_MS
        self._forget(number)
        if not self._amounts:
            self._oldest = number
        missing = number - self._oldest + 1 - len(self._amounts)
        self._amounts += [0.0] * max(missing, 0)
        self._amounts[-1] += amount

    def is_empty(self, now_ms: int) -> bool:
        self._forget(now_ms // WINDOW_MS)
        return not any(self._amounts)

    def throttle_ms(self, limit_per_s: float, now_ms: int) -> int:
        """How long nothing may come until the rate is at the limit; 0: it is not above."""
        self._forget(now_ms // WINDOW_MS)
        measured_ms = max(now_ms - self._oldest * WINDOW_MS, MEASURED_MS_MIN)
        rate_per_s = sum(self._amounts) * 1000 / measured_ms
        if rate_per_s <= limit_per_s:
            return 0
        wait_ms = (rate_per_s - limit_per_s) / limit_per_s * measured_ms
        return min(max(round(wait_ms), 1), THROTTLE_MS_MAX)

    def _forget(self, number: int) -> None:
        """Drop the windows that lie WINDOWS or more before window `number`."""
        expired = number - WINDOWS + 1 - self._oldest
        if expired > 0:
            del self._amounts[:expired]
            self._oldest += expired


class ClientQuotas:
    """Every client's rate beside its limit; time comes in as `now_ms`."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._rates: OrderedDict[tuple[str, str, str], Rate] = OrderedDict()

    def apply(self, quotas: Quotas) -> None:
        """Take new limits; what was measured stays, so that a new limit holds at once."""
        self._quotas = quotas

    def limit(self, key: str, user: str, client_id: str) -> Limit | None:
        """The one limit in force, by Kafka's order of precedence (KIP-55); None: unlimited."""
        if not self._quotas:
            return None
        for entity, shared_user, shared_client in (
            (((CLIENT_ID, client_id), (USER, user)), user, client_id),
            (((CLIENT_ID, None), (USER, user)), user, client_id),
            (((USER, user),), user, ""),
            (((CLIENT_ID, client_id), (USER, None)), user, client_id),
            (((CLIENT_ID, None), (USER, None)), user, client_id),
            (((USER, None),), user, ""),
            (((CLIENT_ID, client_id),), "", client_id),
            (((CLIENT_ID, None),), "", client_id),
        ):
            found = self._quotas.get(entity)
            if found is not None and key in found:
                return Limit(found[key], shared_user, shared_client)
        return None

    def charge(self, key: str, user: str, client_id: str, amount: int, now_ms: int) -> int:
        """Count what has come in; returns for how many milliseconds the client is to be muted."""
        limit = self.limit(key, user, client_id)
        if limit is None:
            return 0
        rate = self._rate(key, limit)
        rate.add(amount, now_ms)
        return rate.throttle_ms(limit.per_s, now_ms)

    def charge_unless_over(
        self, key: str, user: str, client_id: str, amount: int, now_ms: int
    ) -> tuple[bool, int]:
        """Count what would go out, or refuse it; returns whether it may go, and the throttle.

        What alone is more than the limit allows goes out when nothing went before: it could never
        go otherwise.
        """
        limit = self.limit(key, user, client_id)
        if limit is None:
            return True, 0
        rate = self._rate(key, limit)
        is_first = rate.is_empty(now_ms)
        rate.add(amount, now_ms)
        throttle_ms = rate.throttle_ms(limit.per_s, now_ms)
        if throttle_ms and not is_first:
            rate.add(-amount, now_ms)
            return False, throttle_ms
        return True, throttle_ms

    def amount_max(self, key: str, user: str, client_id: str) -> int | None:
        """The most that fits under the limit at once; None: unlimited."""
        limit = self.limit(key, user, client_id)
        return None if limit is None else int(limit.per_s * MEASURED_MS_MIN / 1000)

    def _rate(self, key: str, limit: Limit) -> Rate:
        shared = (key, limit.user, limit.client_id)
        found = self._rates.get(shared)
        if found is None:
            if len(self._rates) >= RATES_MAX:
                self._rates.popitem(last=False)
            found = self._rates[shared] = Rate()
        else:
            self._rates.move_to_end(shared)
        return found
