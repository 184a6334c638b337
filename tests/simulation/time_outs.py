"""When a transaction's time was up: no sooner than its producer was promised, by no wall clock.

A broker's clock does not follow a wall clock that is set (server/clock.py): a time-out is off by a
hundredth, and a machine's own clock drifts. Only what one coordinator began and ended is judged,
since another one goes by what it reads, of a clock that need not be its own.
"""

from collections.abc import Callable

from data_plane.coordinator.transaction import Transaction, TransactionState
from tests.simulation.invariants import Violation

EARLY_SHARE_MAX = 0.03  # of a time-out: what slewing and drift come to, and a little


class TimeOuts:
    """Told of what producers do, and of what is committed of their transactions."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """now_ms: the world's own time, which is nobody's clock."""
        self.early_share_max = EARLY_SHARE_MAX
        self._now_ms = now_ms
        self._began_ms: dict[str, int] = {}  # of who has asked for no end since
        self._late: set[str] = set()  # whose word may come at any time
        self._ongoing_in: dict[str, int] = {}  # the coordinator's leader epoch

    def begins(self, transactional_id: str) -> None:
        """Its producer is about to ask for the first time what will be in a transaction."""
        self._began_ms[transactional_id] = self._now_ms()

    def is_to_end(self, transactional_id: str) -> None:
        """Its producer is about to ask for an abort, or to begin anew."""
        self._began_ms.pop(transactional_id, None)

    def has_no_answer(self, transactional_id: str) -> None:
        """What its producer asked may be under way still, and end what comes later."""
        self._late.add(transactional_id)

    def take(self, record: Transaction, leader_epoch: int) -> None:
        """leader_epoch: in which the record was written. Raises Violation."""
        name = record.transactional_id
        if record.state is TransactionState.ONGOING:
            self._ongoing_in.setdefault(name, leader_epoch)
            return
        began_in = self._ongoing_in.pop(name, None)
        began_ms = self._began_ms.get(name)
        is_aborted = record.state is TransactionState.PREPARE_ABORT and began_in == leader_epoch
        if not is_aborted or began_ms is None or name in self._late:
            return
        after_ms = self._now_ms() - began_ms
        if after_ms < record.timeout_ms * (1 - self.early_share_max):
            raise Violation(f"{name} may take {record.timeout_ms} ms, was ended after {after_ms}")
