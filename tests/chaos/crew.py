"""The client processes of a run: started, looked after, killed at times, brought to their end."""

import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.chaos.recorder import Recorder
from tests.chaos.workloads.task import EXIT_DOUBT, STANDSTILL, Order
from tests.integration.data_plane.broker_process import ROOT

CLOSING_SECONDS_MAX = 120.0  # twice what a producer takes for what it has begun
ENDING_SECONDS_MAX = 600.0  # of a busy machine; no figure


class CrewFailed(Exception):
    """A client process ended in a way that no fault explains."""


class Crew:
    """Client processes by the name of their post; a successor has the post, but a new name."""

    def __init__(self, folder: Path, record: Recorder) -> None:
        self._folder = folder
        self._record = record
        self._numbers = itertools.count(1)
        self._posts: dict[str, tuple[Order, subprocess.Popen[bytes]]] = {}
        self.successions = 0
        self.kills = 0

    def start(self, post: str, order: Order) -> None:
        """Take up a post: the order's process name and number are given here."""
        number = next(self._numbers)
        named = replace(order, process=f"{post}.{number}", number=number, folder=str(self._folder))
        with (self._folder.parent / "clients.log").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.client", named.to_json()],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                process_group=0,  # Ctrl-C is for the run, which ends its processes itself.
            )
        self._posts[post] = (named, process)

    def tend(self) -> None:
        """Replace whoever ended in doubt. Raises CrewFailed for one that crashed."""
        for post, (order, process) in list(self._posts.items()):
            code = process.poll()
            if code is None or code == 0:
                continue
            if code != EXIT_DOUBT:
                raise CrewFailed(f"{order.process} ended with {code}, see its last line")
            self._record.note("died", "info", who=order.process)
            self.successions += 1
            self.start(post, order)

    def kill(self, post: str) -> None:
        """kill -9 of whoever holds a post, and a successor at once."""
        order, process = self._posts[post]
        process.kill()
        process.wait()
        self._record.note("died", "info", who=order.process)
        self.kills += 1
        self.start(post, order)

    def is_done(self, post: str) -> bool:
        return self._posts[post][1].poll() == 0

    def finish(self) -> None:
        """Ask all to come to their end and wait; who does not is killed, and that is told.

        What it has done is in its history by then: librdkafka's close was seen to stand still, each
        of its threads waiting for another. The readers of the end are waited for otherwise.
        """
        for _, process in self._posts.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + CLOSING_SECONDS_MAX
        for post, (order, process) in list(self._posts.items()):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                del self._posts[post]
                self._record.note("admin", "info", name=STANDSTILL)
                self._record.note("died", "info", who=order.process)
        self.wait()

    def wait(self) -> None:
        """Wait for the end of all."""
        deadline = time.monotonic() + ENDING_SECONDS_MAX
        for order, process in self._posts.values():
            try:
                code = process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise CrewFailed(f"{order.process} did not come to its end") from None
            if code == EXIT_DOUBT:
                self._record.note("died", "info", who=order.process)
            if code not in (0, EXIT_DOUBT, -signal.SIGTERM):  # It may not have begun yet.
                raise CrewFailed(f"{order.process} ended with {code}, see its last line")
        self._posts.clear()

    def close(self) -> None:
        """However it went: nobody is left."""
        for _, process in self._posts.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        self._posts.clear()
