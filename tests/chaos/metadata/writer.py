"""Makes one change after the other through any broker, and looks for each on every broker."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from data_plane.protocol.errors import ErrorCode
from tests.chaos.asking import NoAnswer, ask, codes_in
from tests.chaos.broker import ChaosBroker
from tests.chaos.metadata.changes import Change, Value, draw, seen

VISIBLE_SECONDS_MAX = 5.0
LOOK_SECONDS = 0.02
RETRY_SECONDS = 0.05
ANSWER_SECONDS_MAX = 8.0
# They say that nothing was done; the last one while a broker is missing for three replicas.
NOTHING_DONE = {ErrorCode.NOT_CONTROLLER, ErrorCode.INVALID_REPLICATION_FACTOR}
NOBODY_KNOWS = {ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NETWORK_EXCEPTION}


class Writer(threading.Thread):
    """accepted: changes by kind; last_begun: when the last accepted one was begun.

    serving: brokers that are up, by index; whoever kills one takes it out before. odd: what was
    told or shown against the rules.
    """

    def __init__(self, brokers: Sequence[ChaosBroker], seed: int) -> None:
        super().__init__(daemon=True)
        self._brokers = brokers
        self._rng = random.Random(seed)
        self.serving = {broker.index for broker in brokers}
        self.accepted: Counter[str] = Counter()
        self.last_begun = 0.0
        self.now: dict[str, Value] = {}
        self.seen_seconds: list[float] = []
        self.odd: list[str] = []
        self.failure: BaseException | None = None
        self.is_stopped = False

    def run(self) -> None:
        try:
            while not self.is_stopped:
                change = draw(self._rng, self.now)
                if self._make(change):
                    self.now[change.subject] = change.value
                    self.accepted[change.kind] += 1
                    self._look(change)
        except BaseException as error:
            self.failure = error
            raise

    def _make(self, change: Change) -> bool:
        """Ask any broker until somebody accepts it; False if we were stopped before."""
        may_be_done = False
        while True:
            broker = self._rng.choice(self._brokers)
            begun = time.monotonic()
            try:
                codes = codes_in(ask(broker.port, change.request, seconds_max=ANSWER_SECONDS_MAX))
            except NoAnswer as gone:
                unknown, not_done = ErrorCode.NETWORK_EXCEPTION, ErrorCode.NOT_CONTROLLER
                codes = {int(unknown if gone.was_sent else not_done)}
            if codes == {ErrorCode.NONE} or self._was_done(change, codes, may_be_done):
                self.last_begun = begun
                return True
            may_be_done |= bool(codes & NOBODY_KNOWS)
            if codes - NOTHING_DONE - NOBODY_KNOWS - {ErrorCode.NONE}:
                self.odd.append(f"{change.kind} of {change.subject}: told {sorted(codes)}")
                return False
            if self.is_stopped and not may_be_done:
                return False
            time.sleep(RETRY_SECONDS)

    def _was_done(self, change: Change, codes: set[int], may_be_done: bool) -> bool:
        """Repeated, it is told that it had been made; that is right if nobody knew."""
        if change.already is None or codes != {change.already}:
            return False
        if not may_be_done:
            self.odd.append(f"{change.kind} of {change.subject}: done, though told that it was not")
        return True

    def _look(self, change: Change) -> None:
        """Wait until every broker that serves shows it."""
        accepted = time.monotonic()
        for broker in self._brokers:
            while not self.shows(broker, change.subject):
                if time.monotonic() - accepted > VISIBLE_SECONDS_MAX and self._is_up(broker):
                    self.odd.append(f"{change.kind} of {change.subject}: not on {broker.index}")
                    break
                time.sleep(LOOK_SECONDS)
        self.seen_seconds.append(time.monotonic() - accepted)

    def _is_up(self, broker: ChaosBroker) -> bool:
        return broker.index in self.serving

    def shows(self, broker: ChaosBroker, subject: str) -> bool:
        """Whether a broker says of a subject what was accepted; who is down need not."""
        if not self._is_up(broker):
            return True
        try:
            return seen(partial(ask, broker.port), subject) == self.now.get(subject)
        except NoAnswer:
            return False
