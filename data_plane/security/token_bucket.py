"""How much of something may still be had: filled at a rate, and overdrawn by the last who takes."""


class TokenBucket:
    """Tokens that are left, and below zero those that are owed.

    A bucket may be overdrawn while nothing is owed, so that no amount is too large for ever; who
    has overdrawn it waits until nothing is owed. So over time the rate is kept exactly, however
    many take from one bucket, and a burst costs the time that it is worth (KIP-599 tells why a
    rate over windows does not do that).
    """

    __slots__ = ("_at_ms", "_burst_s", "_owed_s_max", "_tokens")

    def __init__(
        self, rate_per_s: float, now_ms: int, *, burst_s: float, owed_s_max: float = 3600.0
    ) -> None:
        """Full: `burst_s` seconds of the rate. More than `owed_s_max` seconds is not remembered."""
        self._burst_s = burst_s
        self._owed_s_max = owed_s_max
        self._tokens = rate_per_s * burst_s
        self._at_ms = now_ms

    def take(self, amount: float, rate_per_s: float, now_ms: int) -> None:
        self._refill(rate_per_s, now_ms)
        self._tokens = max(self._tokens - amount, -rate_per_s * self._owed_s_max)

    def owed_ms(self, rate_per_s: float, now_ms: int) -> int:
        """How long until nothing is owed; 0: now. The rate may be another than before."""
        self._refill(rate_per_s, now_ms)
        if self._tokens >= 0:
            return 0
        return max(round(-self._tokens / rate_per_s * 1000), 1)

    def _refill(self, rate_per_s: float, now_ms: int) -> None:
        grown = self._tokens + rate_per_s * max(now_ms - self._at_ms, 0) / 1000
        self._tokens = min(grown, rate_per_s * self._burst_s)
        self._at_ms = max(self._at_ms, now_ms)
