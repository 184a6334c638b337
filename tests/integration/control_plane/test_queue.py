"""Wake-up calls with no Redis to carry them."""

import base64
import os
import socket
import subprocess
import sys

from tests.conftest import ROOT

PROGRAM = """
import uuid
from control_plane.queue import nudge
print({nudge(uuid.uuid4()) for _ in range(50)})
"""


def outcome(redis_url: str) -> str:
    """Nudge fifty times in a process of its own; returns the set of answers as printed.

    The time limit is a backstop: fifty waits for a silent server would pass it.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "DATABASE_URL": "postgresql://unused",
            "SECRET_KEY": base64.b64encode(b"k" * 32).decode(),
            "REDIS_URL": redis_url,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_redis_that_is_gone_fails_no_request() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        assert outcome(f"redis://127.0.0.1:{taken.getsockname()[1]}/0") == "{False}"


def test_a_redis_that_hangs_holds_no_request_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert outcome(f"redis://127.0.0.1:{silent.getsockname()[1]}/0") == "{False}"


def test_a_redis_that_is_there_gets_it(redis_url: str) -> None:
    assert outcome(redis_url) == "{True}"
