"""Whether a broker that served hangs: probes in a row without an answer. Pure: time comes in.

Times are of a clock that only moves on, in seconds. A probe counts only where the agent's own loop
turned meanwhile: if the whole machine stood still, everybody was silent, the asker included.
"""

OWN_DELAY_S_MAX = 1.0  # beyond a probe's time-out: it was not the broker that was late


class Liveness:
    """Of one process. It hangs after `failures_max` probes and `silent_s_max` seconds of silence.

    probe_s_max: after which a probe is given up. gap_s_max: between two probes; a longer one says
    that the agent was stopped or had its hands full, and what was counted before is forgotten.
    """

    def __init__(
        self, *, failures_max: int, silent_s_max: float, probe_s_max: float, gap_s_max: float
    ) -> None:
        self._failures_max = failures_max
        self._silent_s_max = silent_s_max
        self._probe_s_max = probe_s_max
        self._gap_s_max = gap_s_max
        self.reset()

    def reset(self) -> None:
        """It has answered, or is another process."""
        self._failures = 0
        self._since_s = 0.0
        self._last_s = 0.0

    def failed(self, began_s: float, ended_s: float) -> None:
        """A probe has gone unanswered."""
        if self._failures and began_s - self._last_s > self._gap_s_max:
            self.reset()
        if ended_s - began_s > self._probe_s_max + OWN_DELAY_S_MAX:
            self.reset()
            return
        if not self._failures:
            self._since_s = began_s
        self._failures += 1
        self._last_s = ended_s

    @property
    def silent_s(self) -> float:
        """How long it has been silent, as far as was seen."""
        return self._last_s - self._since_s

    @property
    def is_hung(self) -> bool:
        return self._failures >= self._failures_max and self.silent_s >= self._silent_s_max
