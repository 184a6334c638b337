"""The broker that is measured: a process of its own, read from outside."""

import json
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.fakes.certificates import CertificateAuthority
from tests.integration.data_plane.broker_process import PROGRAM, BrokerProcess, free_port

CLUSTER_ID = "6b4a1c3e-5c8b-4b53-9d55-0d3a1f6f2a10"
PRINCIPAL = "bench"
START_SECONDS_MAX = 600.0  # a slow start is a figure, not a failure


def cpu_s_of(pid: int) -> float:
    """CPU seconds of a process, user and system, of all threads so far, to the nanosecond.

    Linux gives each process a clock of its own: the complement of its id, and 2 for "all threads"
    (clock_getcpuclockid(3)).
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory_bytes_of(pid: int) -> int:
    """Resident memory of a process now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


class Measured(ABC):
    """What is under load, whoever wrote it: a process of its own; its folder goes with it."""

    folder: Path

    @property
    @abstractmethod
    def host(self) -> str: ...

    @property
    @abstractmethod
    def port(self) -> int: ...

    @property
    @abstractmethod
    def pid(self) -> int: ...

    @abstractmethod
    def stop(self, *, kill: bool = False) -> None:
        """End the process, if it has not ended yet; its data stays."""

    def cpu_s(self) -> float:
        """Of its process so far."""
        return cpu_s_of(self.pid)

    def memory_bytes(self) -> int:
        """Resident, now."""
        return memory_bytes_of(self.pid)

    def close(self) -> None:
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


class MeasuredBroker(Measured):
    """A broker with a plaintext and an mTLS listener on loopback; its data goes with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ottla-bench-"))
        self._program = self.program()
        self.data_dir = self.folder / "data"
        self.tls_port = free_port()
        self._write_config()
        self.started_s = time.perf_counter()  # when the first process was about to start
        self.process = self.start()

    def program(self) -> Sequence[str]:
        """The module that is the broker, and what it takes before `run`."""
        return PROGRAM

    def _write_config(self) -> None:
        authority = CertificateAuthority()
        server, client = authority.server(), authority.client(PRINCIPAL, CLUSTER_ID)
        files = {
            "server.crt": server.certificate_pem,
            "server.key": server.key_pem,
            "ca.crt": authority.certificate_pem,
            "client.crt": client.certificate_pem,
            "client.key": client.key_pem,
        }
        for name, text in files.items():
            (self.folder / name).write_text(text)
        tls = {
            "certificate_file": str(self.folder / "server.crt"),
            "key_file": str(self.folder / "server.key"),
            "client_ca_file": str(self.folder / "ca.crt"),
        }
        config = {
            "data_dir": str(self.data_dir),
            "cluster_id": CLUSTER_ID,
            "listeners": [
                {"name": "PLAINTEXT"},
                {"name": "TLS", "port": self.tls_port, "tls": tls},
            ],
            "super_users": ["User:ANONYMOUS", f"User:CN={PRINCIPAL},O={CLUSTER_ID}"],
        }
        (self.folder / "broker.json").write_text(json.dumps(config))

    def start(self) -> BrokerProcess:
        """Another process on the same data; returns once it is ready."""
        return BrokerProcess(
            "--config",
            str(self.folder / "broker.json"),
            port=None,
            program=self._program,
            start_seconds_max=START_SECONDS_MAX,
        )

    def stop(self, *, kill: bool = False) -> None:
        """End the process; its data stays."""
        if self.process.process.poll() is not None:
            return
        if kill:
            self.process.kill()
        else:
            assert self.process.stop() == 0

    def start_again(self) -> None:
        self.process = self.start()

    @property
    def host(self) -> str:
        return self.process.host

    @property
    def port(self) -> int:
        return self.process.port

    @property
    def pid(self) -> int:
        return self.process.process.pid
