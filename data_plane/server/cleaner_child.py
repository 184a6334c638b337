"""The process that compacts: a line of JSON per run on standard input, a line back per outcome.

Its parent gives it a low priority, it keeps to a rate by itself. It ends with its parent: a thread
of its own sees the end of standard input, however busy the cleaning is. It never touches a segment,
so being killed at any time leaves drafts behind, nothing else.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from queue import SimpleQueue
from threading import Thread

from data_plane.log.clean_job import CleanJob, decode_job, encode_result
from data_plane.log.cleaner import Pace, clean
from data_plane.log.failures import DamagedLog
from data_plane.log.files import DiskFiles

PACED_BYTES = 256 * 1024  # How often the rate is looked at.


def main() -> None:
    """Serve until standard input ends; the one argument is the rate in bytes per second."""
    jobs: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=follow_parent, args=(sys.stdin.buffer, jobs), daemon=True).start()
    pace = paced(float(sys.argv[1]))
    while True:
        sys.stdout.buffer.write(outcome_of(decode_job(jobs.get()), pace))
        sys.stdout.buffer.flush()


def follow_parent(lines: Iterable[bytes], jobs: "SimpleQueue[bytes]") -> None:
    for line in lines:
        jobs.put(line)
    os._exit(0)


def outcome_of(job: CleanJob, pace: Pace) -> bytes:
    """Run one job; return a CleanResult, or an object with `damaged` or `failed`."""
    try:
        # A descriptor cache per run: a segment of the same name may be another file by now.
        return encode_result(clean(DiskFiles(), job, pace=pace))
    except DamagedLog as error:
        return json.dumps({"damaged": error.message}).encode() + b"\n"
    except Exception as error:
        return json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode() + b"\n"


def paced(bytes_per_second: float) -> Pace:
    """Return a function that sleeps whenever it was told of more bytes than the rate allows."""
    unpaid = 0
    free_at = time.monotonic()

    def pace(count: int) -> None:
        nonlocal unpaid, free_at
        unpaid += count
        if unpaid < PACED_BYTES:
            return
        now = time.monotonic()
        free_at = max(free_at, now) + unpaid / bytes_per_second
        unpaid = 0
        time.sleep(max(0.0, free_at - now))

    return pace


if __name__ == "__main__":
    main()
