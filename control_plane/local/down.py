"""`ottla down`: stop a data directory's service, whether its supervisor lives or was killed."""

import os
import signal
import subprocess
import sys

from control_plane.local.data_directory import DataDirectory
from control_plane.local.processes import wait_until_gone

STOP_SECONDS_MAX = 60.0


class DownFailed(Exception):
    """Something is still running; the message says what."""


def down(data: DataDirectory) -> str:
    """Stop supervisor, programs and brokers; returns what was done, in words.

    Raises DownFailed where a supervisor does not end.
    """
    pid = data.holder_pid()
    if pid is not None and data.is_locked():
        os.kill(pid, signal.SIGTERM)
        if not wait_until_gone(pid, STOP_SECONDS_MAX):
            raise DownFailed(f"process {pid} did not stop within {STOP_SECONDS_MAX:.0f} s")
        return f"stopped; data kept in {data.root}"
    # A killed supervisor's programs died with it, but its brokers go on serving.
    if data.agent.exists():
        done = subprocess.run(
            [sys.executable, "-m", "data_plane.agent.main", "stop", "--data-dir", str(data.agent)],
            capture_output=True,
            text=True,
            timeout=STOP_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0:
            raise DownFailed(done.stderr.strip() or f"the agent ended with {done.returncode}")
        if done.stdout.strip():
            return done.stdout.strip()
    return f"nothing was running on {data.root}"
