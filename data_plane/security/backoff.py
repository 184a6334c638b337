"""Back-off for failed authentication: who keeps guessing waits longer for each refusal."""

from collections import OrderedDict
from typing import Final

DELAY_MS_MAX: Final = 3_200  # Below the time-outs of clients, so that they still hear why.
FORGOTTEN_AFTER_MS: Final = 60_000
HOSTS_MAX: Final = 10_000


class FailureDelays:
    """Doubles the delay of a host's refusals up to DELAY_MS_MAX; time comes in as `now_ms`.

    Only refusals are delayed, so clients who share an address with a guesser lose nothing.
    """

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._hosts: OrderedDict[str, tuple[int, int]] = OrderedDict()  # (delay, when it failed)

    def after_failure(self, host: str, now_ms: int) -> int:
        """Count one failure; returns how many milliseconds its answer is to wait."""
        delay_ms, failed_ms = self._hosts.pop(host, (0, now_ms))
        if not delay_ms or now_ms - failed_ms >= FORGOTTEN_AFTER_MS:
            delay_ms = self._delay_ms
        else:
            delay_ms = min(delay_ms * 2, max(DELAY_MS_MAX, self._delay_ms))
        self._hosts[host] = (delay_ms, now_ms)
        if len(self._hosts) > HOSTS_MAX:
            self._hosts.popitem(last=False)
        return delay_ms
