"""The agent as a process of its own (tests/fakes/agent_program.py), and specs for it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

from data_plane.agent.processes import start_mark
from data_plane.agent.storage import Storage, read_json
from data_plane.contract.spec import BrokerSpec, ClusterSpec
from tests.fakes.control_plane import TOKEN
from tests.fakes.sealing import seal
from tests.integration.agent.conftest import free_ports

ROOT = Path(__file__).resolve().parents[3]
SECONDS_MAX = 20.0


def cluster_for(sealing_public_key: str, node_id: str, cluster_id: str = "") -> ClusterSpec:
    def sealed(name: str) -> Any:
        return seal(f"key of {name}".encode(), sealing_public_key, node_id)

    broker = BrokerSpec(
        broker_id=0,
        advertised_host="127.0.0.1",
        certificate_pem="certificate",
        key=sealed("broker"),
    )
    return ClusterSpec(
        cluster_id=cluster_id or str(uuid.uuid4()),
        generation=1,
        trusted_ca_pem="ca",
        admin_certificate_pem="certificate",
        admin_key=sealed("admin"),
        admin_principal="User:CN=admin,O=ottla",
        brokers=[broker],
    )


class AgentProcess:
    """One agent on `root`, started and ended as often as a test likes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = Storage(root)
        self.token_file = root.parent / "token"
        if not self.token_file.exists():
            self.token_file.write_text(TOKEN)
            self.token_file.chmod(0o600)
        self._log = root.parent / f"agent-{uuid.uuid4()}.log"
        self._ports = free_ports()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, url: str, *options: str) -> None:
        ports = f"{self._ports.first}-{self._ports.last}"
        arguments = [str(self.root), url, str(self.token_file), ports, *options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.agent_program", *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def status(self) -> int | None:
        return self._running.poll()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        self._running.terminate()
        self.wait()

    def kill(self) -> None:
        self._running.kill()
        self.wait()

    def wait(self) -> int:
        return self._running.wait(SECONDS_MAX)

    def command_line(self) -> str:
        return " ".join(psutil.Process(self._running.pid).cmdline())

    def output(self) -> str:
        return self._log.read_text()

    def wait_for_output(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while text not in self.output():
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.output()}"
            time.sleep(0.02)

    def broker_pid(self, other_than: int) -> int:
        """Wait until another broker process than that one is noted and lives."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            for broker in self.storage.brokers():
                noted = read_json(broker.process) or {}
                if noted.get("pid") not in {None, other_than} and start_mark(noted["pid"]):
                    return int(noted["pid"])
            assert time.monotonic() < deadline, f"no new broker:\n{self.output()}"
            time.sleep(0.02)

    def kill_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS_MAX
        while start_mark(pid) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop_command(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "data_plane.agent.main", "stop", "--data-dir", str(self.root)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

    def status_page(self, path: str) -> dict[str, Any]:
        noted = read_json(self.root / "status.json")
        assert noted is not None
        connection = http.client.HTTPConnection("127.0.0.1", noted["port"], timeout=SECONDS_MAX)
        try:
            connection.request("GET", path)
            value: dict[str, Any] = json.loads(connection.getresponse().read())
            return value
        finally:
            connection.close()
