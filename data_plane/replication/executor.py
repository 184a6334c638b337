"""Where blocking work runs: threads at the edge, in place in tests and simulation."""

from collections.abc import Callable, Sequence
from typing import Protocol

Work = Callable[[], None]
Done = Callable[[BaseException | None], None]


class Executor(Protocol):
    def submit(self, work: Sequence[Work], done: Done) -> None:
        """Do everything in `work`, in any order or at once, then call `done` on the loop.

        `done` gets the first failure, or None; it may be called before `submit` returns.
        """


class InlineExecutor:
    """Does the work at once, on the caller's thread: for starts, tests and simulation."""

    def submit(self, work: Sequence[Work], done: Done) -> None:
        failure: BaseException | None = None
        for one in work:
            try:
                one()
            except Exception as error:
                failure = failure or error
        done(failure)
