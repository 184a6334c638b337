"""Quotas where requests meet them: count, tell the client, mute its connection (KIP-219)."""

from collections.abc import Callable
from typing import Final

from data_plane.broker.context import RequestContext
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.security.connection_rates import ConnectionRates
from data_plane.security.principals import USER_PREFIX
from data_plane.security.quotas import (
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    ClientQuotas,
    Quotas,
)

NS_PER_PERCENT: Final = 10_000_000  # of a second of the thread that answers


class ThrottlingQuotaExceeded(KafkaError):
    default_code = ErrorCode.THROTTLING_QUOTA_EXCEEDED


class BrokerQuotas:
    """The answer leaves at once and says how long the connection is not read from behind it.

    Followers and other brokers, by the listener for brokers alone, have no quotas.
    stopwatch_ns: computing time of the thread so far, for what requests cost; read only while some
    quota limits that. It stands still until the edge gives a real one.
    """

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = ClientQuotas(quotas)
        self.stopwatch_ns: Callable[[], int] = lambda: 0
        self.connections = ConnectionRates(quotas)
        self._look_at(quotas)

    def apply(self, quotas: Quotas) -> None:
        self._quotas.apply(quotas)
        self.connections.apply(quotas)
        self._look_at(quotas)

    def _look_at(self, quotas: Quotas) -> None:
        """The hot path asks nothing else while there are no quotas that concern it."""
        keys = {key for values in quotas.values() for key in values}
        self.times_requests = REQUEST_PERCENTAGE in keys
        self.is_idle_for_produce = not self.times_requests and PRODUCER_BYTE_RATE not in keys
        self._is_idle_for_fetch = CONSUMER_BYTE_RATE not in keys
        self.is_idle_for_fetch = not self.times_requests and self._is_idle_for_fetch

    # --- bytes ---------------------------------------------------------------------------------

    def charge_produce(self, ctx: RequestContext, size_bytes: int) -> int:
        """Count a produce request; returns its throttle time in milliseconds."""
        if self.is_idle_for_produce:
            return 0
        throttle_ms = self._quotas.charge(PRODUCER_BYTE_RATE, *_client(ctx), size_bytes, ctx.now_ms)
        return max(_muted(ctx, throttle_ms, ctx.now_ms), self.request_throttle_ms(ctx, ctx.now_ms))

    def fetch_bytes_max(self, ctx: RequestContext) -> int | None:
        """The most that one answer may carry; None: no quota holds."""
        if self._is_idle_for_fetch or ctx.is_internal:
            return None
        return self._quotas.amount_max(CONSUMER_BYTE_RATE, *_client(ctx))

    def charge_fetch(self, ctx: RequestContext, size_bytes: int, now_ms: int) -> tuple[bool, int]:
        """Whether the records may leave, and the throttle time; refused ones are not counted."""
        request_throttle_ms = self.request_throttle_ms(ctx, now_ms)
        if self._is_idle_for_fetch or ctx.is_internal:
            return True, request_throttle_ms
        may_leave, throttle_ms = self._quotas.charge_unless_owed(
            CONSUMER_BYTE_RATE, *_client(ctx), size_bytes, now_ms
        )
        return may_leave, max(_muted(ctx, throttle_ms, now_ms), request_throttle_ms)

    # --- time of the thread that answers --------------------------------------------------------

    def started_ns(self) -> int:
        """When work for a client began, for `took`; 0 while nothing limits it."""
        return self.stopwatch_ns() if self.times_requests else 0

    def took(self, ctx: RequestContext, started_ns: int, now_ms: int) -> None:
        """Count what was done for a client since `started_ns`."""
        if self.times_requests and started_ns and not ctx.is_internal:
            percents = (self.stopwatch_ns() - started_ns) / NS_PER_PERCENT
            self._quotas.charge(REQUEST_PERCENTAGE, *_client(ctx), percents, now_ms)

    def request_throttle_ms(self, ctx: RequestContext, now_ms: int) -> int:
        """The throttle time for what earlier requests took: this one's is not known yet."""
        if not self.times_requests or ctx.is_internal:
            return 0
        throttle_ms = self._quotas.throttle_ms(REQUEST_PERCENTAGE, *_client(ctx), now_ms)
        return _muted(ctx, throttle_ms, now_ms)

    # --- partitions created and deleted ---------------------------------------------------------

    def mutations(self, ctx: RequestContext, *, strict_from: int) -> "MutationQuota":
        """The asker's quota of mutations for one request.

        strict_from: the first version of the API whose clients know THROTTLING_QUOTA_EXCEEDED.
        """
        return MutationQuota(self._quotas, ctx, is_strict=ctx.api_version >= strict_from)


class MutationQuota:
    """What one request may create and delete, and for how long its asker is to wait (KIP-599)."""

    def __init__(self, quotas: ClientQuotas, ctx: RequestContext, *, is_strict: bool) -> None:
        """is_strict: who owes gets an error; else everything, and waits afterwards."""
        self._quotas = quotas
        self._ctx = ctx
        self._is_strict = is_strict
        self.throttle_ms = 0

    def charge(self, partition_count: int) -> None:
        """Raises ThrottlingQuotaExceeded, nothing counted, to a client that knows it."""
        ctx = self._ctx
        asked = (CONTROLLER_MUTATION_RATE, *_client(ctx), partition_count, ctx.now_ms)
        if not self._is_strict:
            self.throttle_ms = _muted(ctx, self._quotas.charge(*asked), ctx.now_ms)
            return
        may_pass, throttle_ms = self._quotas.charge_unless_owed(*asked)
        if not may_pass:
            self.throttle_ms = _muted(ctx, throttle_ms, ctx.now_ms)
            raise ThrottlingQuotaExceeded("The throttling quota has been exceeded.")


def _client(ctx: RequestContext) -> tuple[str, str]:
    return ctx.principal.removeprefix(USER_PREFIX), ctx.client_id or ""


def _muted(ctx: RequestContext, throttle_ms: int, now_ms: int) -> int:
    if throttle_ms and ctx.throttle is not None:
        ctx.throttle.until_ms = max(ctx.throttle.until_ms, now_ms + throttle_ms)
    return throttle_ms
