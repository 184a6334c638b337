"""Quotas where requests meet them: count bytes, tell the client, mute its connection (KIP-219)."""

from data_plane.broker.context import RequestContext
from data_plane.security.principals import USER_PREFIX
from data_plane.security.quotas import (
    CONSUMER_BYTE_RATE,
    PRODUCER_BYTE_RATE,
    ClientQuotas,
    Quotas,
)


class BrokerQuotas:
    """The answer leaves at once and says how long the connection is not read from behind it."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = ClientQuotas(quotas)
        self.is_idle = not quotas  # The hot path asks nothing else while there are no quotas.

    def apply(self, quotas: Quotas) -> None:
        self._quotas.apply(quotas)
        self.is_idle = not quotas

    def charge_produce(self, ctx: RequestContext, size_bytes: int) -> int:
        """Count a produce request; returns its throttle time in milliseconds."""
        if self.is_idle:
            return 0
        throttle_ms = self._quotas.charge(PRODUCER_BYTE_RATE, *_client(ctx), size_bytes, ctx.now_ms)
        return _muted(ctx, throttle_ms, ctx.now_ms)

    def fetch_bytes_max(self, ctx: RequestContext) -> int | None:
        """The most that one answer may carry; None: no quota holds."""
        if self.is_idle:
            return None
        return self._quotas.amount_max(CONSUMER_BYTE_RATE, *_client(ctx))

    def charge_fetch(self, ctx: RequestContext, size_bytes: int, now_ms: int) -> tuple[bool, int]:
        """Whether the records may leave, and the throttle time; refused ones are not counted."""
        if self.is_idle:
            return True, 0
        may_leave, throttle_ms = self._quotas.charge_unless_over(
            CONSUMER_BYTE_RATE, *_client(ctx), size_bytes, now_ms
        )
        return may_leave, _muted(ctx, throttle_ms, now_ms)


def _client(ctx: RequestContext) -> tuple[str, str]:
    return ctx.principal.removeprefix(USER_PREFIX), ctx.client_id or ""


def _muted(ctx: RequestContext, throttle_ms: int, now_ms: int) -> int:
    if throttle_ms and ctx.throttle is not None:
        ctx.throttle.until_ms = max(ctx.throttle.until_ms, now_ms + throttle_ms)
    return throttle_ms
