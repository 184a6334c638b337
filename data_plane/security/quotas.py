"""Client quotas, pure: which limit holds for whom, and how long who exceeds it must wait.

Limits, entities and precedence are Kafka's (KIP-13, 55, 124, 599). What was used is counted by
token buckets for all of them: over a minute a client gets its quota and a few per cent more, by
however many connections (reliability.md L4), where rates over windows let bursts through.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

from data_plane.security.token_bucket import TokenBucket

USER, CLIENT_ID, IP = "user", "client-id", "ip"
PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE = "producer_byte_rate", "consumer_byte_rate"
REQUEST_PERCENTAGE = "request_percentage"  # of the one thread that answers requests (KIP-124)
CONTROLLER_MUTATION_RATE = "controller_mutation_rate"  # partitions per second (KIP-599)
CONNECTION_CREATION_RATE = "connection_creation_rate"  # of an ip, per second (KIP-612)

BUCKETS_MAX: Final = 10_000  # Clients choose their ids, so these are bounded.
# What may come at once after a pause, in seconds of the limit.
BURST_S: Final[Mapping[str, float]] = {
    PRODUCER_BYTE_RATE: 2.0,
    CONSUMER_BYTE_RATE: 2.0,
    REQUEST_PERCENTAGE: 2.0,
    CONTROLLER_MUTATION_RATE: 5.0,
    CONNECTION_CREATION_RATE: 5.0,
}
# The longest wait. A client gives a request up after thirty seconds or so and sends it again; and
# a heartbeat behind expensive requests must not be late for the shortest session.
THROTTLE_MS_MAX: Final[Mapping[str, int]] = {
    PRODUCER_BYTE_RATE: 20_000,
    CONSUMER_BYTE_RATE: 20_000,
    REQUEST_PERCENTAGE: 5_000,
    CONTROLLER_MUTATION_RATE: 60_000,
}

# (type, name) pairs sorted by type; a name of None is the default of its type.
QuotaEntity = tuple[tuple[str, str | None], ...]
Quotas = Mapping[QuotaEntity, Mapping[str, float]]


class Limit(NamedTuple):
    """A limit per second in its key's unit, and who shares it: "" stands for everybody."""

    per_s: float
    user: str
    client_id: str


class ClientQuotas:
    """What every client has used beside its limit; time comes in as `now_ms`."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._buckets: OrderedDict[tuple[str, str, str], TokenBucket] = OrderedDict()

    def apply(self, quotas: Quotas) -> None:
        """Take new limits; what is owed stays owed, as far as a new limit lets it."""
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

    def charge(self, key: str, user: str, client_id: str, amount: float, now_ms: int) -> int:
        """Count what has come in; returns for how many milliseconds the client is to be muted."""
        limit = self.limit(key, user, client_id)
        if limit is None:
            return 0
        bucket = self._bucket(key, limit, now_ms)
        bucket.take(amount, limit.per_s, now_ms)
        return _wait_ms(key, bucket, limit, now_ms)

    def charge_unless_owed(
        self, key: str, user: str, client_id: str, amount: float, now_ms: int
    ) -> tuple[bool, int]:
        """Count what would be given, or refuse it to who owes; whether it is, and the throttle."""
        limit = self.limit(key, user, client_id)
        if limit is None:
            return True, 0
        bucket = self._bucket(key, limit, now_ms)
        if wait_ms := _wait_ms(key, bucket, limit, now_ms):
            return False, wait_ms
        bucket.take(amount, limit.per_s, now_ms)
        return True, _wait_ms(key, bucket, limit, now_ms)

    def throttle_ms(self, key: str, user: str, client_id: str, now_ms: int) -> int:
        """For how long the client is to be muted by what was counted before."""
        return self.charge(key, user, client_id, 0, now_ms)

    def amount_max(self, key: str, user: str, client_id: str) -> int | None:
        """The most that fits under the limit at once; None: unlimited."""
        limit = self.limit(key, user, client_id)
        return None if limit is None else int(limit.per_s * BURST_S[key])

    def _bucket(self, key: str, limit: Limit, now_ms: int) -> TokenBucket:
        shared = (key, limit.user, limit.client_id)
        found = self._buckets.get(shared)
        if found is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.popitem(last=False)
            found = self._buckets[shared] = TokenBucket(
                limit.per_s,
                now_ms,
                burst_s=BURST_S[key],
                owed_s_max=THROTTLE_MS_MAX[key] / 1000,
            )
        else:
            self._buckets.move_to_end(shared)
        return found


def _wait_ms(key: str, bucket: TokenBucket, limit: Limit, now_ms: int) -> int:
    return min(bucket.owed_ms(limit.per_s, now_ms), THROTTLE_MS_MAX[key])
