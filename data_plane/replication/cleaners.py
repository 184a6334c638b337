"""Who carries out a compaction: a process of low priority at the edge, in place in tests."""

from collections.abc import Callable
from typing import Protocol

from data_plane.log.clean_job import CleanJob, CleanResult
from data_plane.log.cleaner import clean
from data_plane.log.files import Files

Cleaned = Callable[[CleanResult | Exception], None]


class Cleaner(Protocol):
    def submit(self, job: CleanJob, done: Cleaned) -> None:
        """Write the drafts of one run, then call `done` on the loop; one run at a time.

        `done` gets DamagedLog if the log cannot be read, and any other error if the run failed for
        a reason that may pass. It may be called before `submit` returns.
        """

    def rest(self) -> None:
        """Nothing is due for a while: give up what a run needs."""

    def close(self) -> None:
        """The broker stops: end what runs; its `done` is not called."""


class InlineCleaner:
    """Cleans at once, on the caller's thread: for starts, tests and simulation."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def submit(self, job: CleanJob, done: Cleaned) -> None:
        outcome: CleanResult | Exception
        try:
            outcome = clean(self._files, job)
        except Exception as error:
            outcome = error
        done(outcome)

    def rest(self) -> None:
        """There is nothing to give up."""

    def close(self) -> None:
        """Nothing runs behind the caller's back."""
