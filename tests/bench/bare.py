"""What TLS alone costs: the same bytes into a server that does nothing else with them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.broker import cpu_s_of
from tests.bench.replay import Connection

FRAME_BYTES = 1 << 20
REQUESTS = 100
US = 1_000_000


@contextmanager
def bare_server(tls_folder: Path | None) -> Iterator[tuple[int, int]]:
    """(port, process id)."""
    arguments = [] if tls_folder is None else [str(tls_folder)]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bare_server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline()), server.pid
    finally:
        server.stdin.close()
        server.wait(60)
        server.stdout.close()


def tls_us_per_mb(folder: Path, requests: int) -> float:
    """CPU microseconds that mTLS adds to receiving a megabyte."""
    return _received_us(folder, requests) - _received_us(None, requests)


def _received_us(tls_folder: Path | None, requests: int) -> float:
    frame = FRAME_BYTES.to_bytes(4, "big") + bytes(FRAME_BYTES)
    with (
        bare_server(tls_folder) as (port, pid),
        Connection("127.0.0.1", port, tls_folder) as client,
    ):
        client.replay(frame, max(4, requests // 10), 2)
        before_s = cpu_s_of(pid)
        client.replay(frame, requests, 2)
        return (cpu_s_of(pid) - before_s) / (requests + 1) * US
