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

OUTAGE = """
import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(levelname)s %(message)s")
from sqlalchemy.exc import OperationalError
from control_plane.queue import task
@task("tests.outage")
def look():
    raise OperationalError("SELECT 1", {}, ConnectionError("refused"))
@task("tests.bug")
def stumble():
    raise ValueError("a bug")
look.apply()
stumble.apply()
"""


def outcome(redis_url: str, program: str = PROGRAM) -> str:
    """Nudge fifty times in a process of its own; returns the set of answers as printed.

    The time limit is a backstop: fifty waits for a silent server would pass it.
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
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


def test_an_outage_of_the_database_is_a_line_in_the_log_and_a_bug_a_traceback() -> None:
    said = outcome("redis://127.0.0.1:1/0", OUTAGE)
    outage, _, bug = said.partition("\n")
    assert outage == "WARNING task tests.outage: no database: ConnectionError"
    assert bug.startswith("ERROR Task tests.bug")
    assert "Traceback" in bug
