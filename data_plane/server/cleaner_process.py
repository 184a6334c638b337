"""The broker's side of the compacting process: started for the first run, ended when idle."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from data_plane.log.clean_job import CleanJob, CleanResult, decode_result, encode_job
from data_plane.log.failures import DamagedLog
from data_plane.replication.cleaners import Cleaned
from data_plane.server.turns import nothing

ENDING_SECONDS_MAX = 5.0
NICENESS = 10


class CleaningFailed(Exception):
    """The run did not end; nothing is the worse for it, and it may be tried again."""


class ProcessCleaner:
    """The edge's Cleaner. One thread waits for the outcome of the one run there may be."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bytes_per_second: float) -> None:
        self.after: Callable[[], None] = nothing  # Behind each `done`, to end that turn.
        self._loop = loop
        self._bytes_per_second = bytes_per_second
        self._process: subprocess.Popen[bytes] | None = None

    def submit(self, job: CleanJob, done: Cleaned) -> None:
        process = self._running()
        Thread(target=self._converse, args=(process, job, done), daemon=True).start()

    def rest(self) -> None:
        """Closing its input ends the process."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None, "it was started with pipes"
            with suppress(OSError):
                process.stdin.close()
            Thread(target=process.wait, daemon=True).start()  # Reaped, however long it takes.

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(ENDING_SECONDS_MAX)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "data_plane.server.cleaner_child",
                    str(self._bytes_per_second),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is the broker's to handle.
            )
            with suppress(OSError):  # It has ended already; the run will tell.
                os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
        return self._process

    def _converse(self, process: "subprocess.Popen[bytes]", job: CleanJob, done: Cleaned) -> None:
        assert process.stdin is not None, "it was started with pipes"
        assert process.stdout is not None, "it was started with pipes"
        try:
            process.stdin.write(encode_job(job))
            process.stdin.flush()
            outcome = read_outcome(process.stdout.readline())
        except (OSError, ValueError) as error:
            outcome = CleaningFailed(f"the compacting process: {error}")
        with suppress(RuntimeError):  # The loop has closed: the broker is gone.
            self._loop.call_soon_threadsafe(self._finish, done, outcome)

    def _finish(self, done: Cleaned, outcome: CleanResult | Exception) -> None:
        done(outcome)
        self.after()


def read_outcome(line: bytes) -> CleanResult | Exception:
    """Return what a line of the process says; an empty one says that it died."""
    if not line:
        return CleaningFailed("the compacting process ended")
    fields = json.loads(line)
    if "damaged" in fields:
        return DamagedLog(fields["damaged"])
    if "failed" in fields:
        return CleaningFailed(fields["failed"])
    return decode_result(fields)
