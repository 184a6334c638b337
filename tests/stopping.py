"""A long run that is asked to stop by Ctrl-C, SIGTERM, or the end of its terminal."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

Handler = Callable[[int, FrameType | None], Any]
ENDING = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Asked once, a run ends in order: what was done is judged. Asked again, it ends at once.

    is_cut: somebody has heeded it, so that less was done than there was to do.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self.is_cut = False

    def goes_on(self) -> bool:
        """Say whether there is to be a next one; whoever asks ends if not."""
        self.is_cut |= self.is_asked
        return not self.is_asked

    @contextmanager
    def heard(self, said: str) -> Iterator[None]:
        """Listen for as long as this lasts. said: to the user, when they ask for the first time."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            if self.is_asked:
                raise KeyboardInterrupt
            self.is_asked = True
            sys.stderr.write(f"\n{said}\n")

        is_hung_up = signal.getsignal(signal.SIGHUP) == signal.SIG_DFL  # Else nohup wants it so.
        with handled(ask, [*ENDING, signal.SIGHUP] if is_hung_up else ENDING):
            yield


NEVER: Final = Stopping()  # of runs that nobody asks


@contextmanager
def handled(handler: Handler, numbers: Sequence[signal.Signals] = ENDING) -> Iterator[None]:
    """The signals go there for as long as this lasts.

    SIGINT as well: a shell has what it starts in the background ignore it.
    """
    before = {one: signal.signal(one, handler) for one in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
