"""What a long start waits for and how long each step took: a spinner for people, lines for logs.

Nothing here may fail a start or, worse, a stop: a closed stdout (`ottla up | head`) is ignored.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.status import Status


class Progress:
    """Steps with names, what they wait for, and seconds; to stderr, so that stdout stays data."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._clock = clock
        self._status: Status | None = None
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str, waiting_for: str = "") -> Iterator[None]:
        """Show `name` as running, then as done with its duration, or as failed."""
        began = self._clock()
        self._spin(f"{name} [dim]{waiting_for}[/dim]" if waiting_for else name)
        try:
            yield
        except BaseException:
            self._settle()
            self.line(f"[red]✗[/red] {name}")
            raise
        self.done(name, self._clock() - began)

    def done(self, name: str, seconds: float, detail: str = "") -> None:
        """A finished step's line."""
        self.seconds[name] = seconds
        self._settle()
        self.line(f"[green]✓[/green] {name:<34} [dim]{seconds:6.2f} s[/dim] {detail}".rstrip())

    def waiting(self, what: str) -> None:
        """Change what the spinner says."""
        self._spin(what)

    def line(self, text: str = "") -> None:
        with contextlib.suppress(OSError, ValueError):
            self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        self._settle()

    def _spin(self, text: str) -> None:
        if not self._console.is_terminal:
            return
        with contextlib.suppress(OSError, ValueError):
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            else:
                self._status.update(text)

    def _settle(self) -> None:
        if self._status is not None:
            with contextlib.suppress(OSError, ValueError):
                self._status.stop()
            self._status = None
