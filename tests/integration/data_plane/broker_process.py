"""A real `ottla-broker` process on a free port, and the little a test needs to talk to it raw."""

import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from control_plane.local.ports import pick_free

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ("data_plane.server.main",)
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0


class BrokerProcess:
    """Started by the constructor, which returns once the broker says that it is ready."""

    def __init__(
        self,
        *arguments: str,
        port: int | None = 0,
        file_bytes_max: int | None = None,
        start_seconds_max: float = START_SECONDS_MAX,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        ports = [] if port is None else ["--port", str(port)]
        self.process = start(*arguments, *ports, file_bytes_max=file_bytes_max, program=program)
        self.address = self._await_ready(start_seconds_max)
        self.host, _, port_text = self.address.rpartition(":")
        self.port = int(port_text)

    def _await_ready(self, seconds_max: float) -> str:
        line = read_line(self.process, seconds_max)
        if not line.startswith("ready "):
            _, errors = self.process.communicate(timeout=STOP_SECONDS_MAX)
            raise AssertionError(f"the broker did not start: {line!r} {errors}")
        return line.removeprefix("ready ").strip()

    def kill(self) -> None:
        """As the kernel would: nothing is flushed, nobody is told."""
        self.process.kill()
        self.process.communicate(timeout=STOP_SECONDS_MAX)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        self.process.communicate(timeout=STOP_SECONDS_MAX)
        return self.process.returncode

    def connect(self) -> "RawClient":
        return RawClient(self.host, self.port)


def free_port() -> int:
    """A port that was free a moment ago, and that a broker may come back to after a kill.

    Not the kernel's choice: clients that try to connect to a dead broker's port are given source
    ports from that range, and one that meets itself there holds the port.
    """
    return pick_free()


def start(
    *arguments: str, file_bytes_max: int | None = None, program: Sequence[str] = PROGRAM
) -> "subprocess.Popen[str]":
    """`ottla-broker run` with these arguments, output piped.

    file_bytes_max: no file may grow beyond it; the kernel answers EFBIG (RLIMIT_FSIZE).
    program: the module that is the broker, and what it takes before `run`.
    """
    limits = [] if file_bytes_max is None else ["prlimit", f"--fsize={file_bytes_max}"]
    return subprocess.Popen(
        [*limits, sys.executable, "-m", *program, "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`ottla-broker run` that is expected to end by itself."""
    process = start(*arguments)
    try:
        out, errors = process.communicate(timeout=START_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def read_line(process: "subprocess.Popen[str]", seconds_max: float) -> str:
    """The next line of standard output; empty if the process ended first."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(seconds_max), f"no output within {seconds_max} s"
    return process.stdout.readline()


class RawClient:
    """Frames over a blocking socket, for what no client library would send."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=10)

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, body: bytes) -> None:
        self.socket.sendall(struct.pack(">i", len(body)) + body)

    def receive(self) -> bytes:
        """The next frame's body; empty if the broker closed the connection."""
        head = self._exactly(4)
        return self._exactly(struct.unpack(">i", head)[0]) if head else b""

    def is_closed_by_broker(self) -> bool:
        """Wait for the end of the stream; False if bytes come instead."""
        return self._exactly(1) == b""

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            try:
                part = self.socket.recv(count - len(received))
            except ConnectionResetError:
                return b""
            if not part:
                return b""
            received += part
        return received


def wait_until(condition: "object", what: str, seconds_max: float = 60) -> None:
    """Poll a callable until it is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds_max} s"
        time.sleep(0.02)
