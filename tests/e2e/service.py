"""One whole service under test: `ottla up` as a process, the CLI as its user."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from control_plane.local.processes import is_alive, last_lines
from control_plane.local.state_file import ServiceState, read_state
from data_plane.agent.config import PortRange
from tests.conftest import wait_for
from tests.integration.agent.conftest import free_ports

PORTS = 100  # eight brokers, and those of a second cluster
OTTLA = [sys.executable, "-m", "control_plane.cli.main"]


@dataclass
class ServiceUnderTest:
    """`ottla up` on `folder`/data; `ottla(...)` runs the command line as one user."""

    folder: Path
    # Of its own: a broker keeps its port while its service is down, and another service that runs
    # beside this one must not take it meanwhile.
    ports: PortRange = field(default_factory=lambda: free_ports(PORTS))
    process: subprocess.Popen[bytes] | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def state(self) -> ServiceState:
        state = read_state(self.data / "run" / "state.json")
        assert state is not None
        return state

    def up(self, *more: str) -> None:
        """Start and wait until ready."""
        with (self.folder / "up.log").open("ab") as log:
            process = subprocess.Popen(
                [*OTTLA, "up", "--open-signup", "--port", "0", "--data-dir", self.data, *more],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"OTTLA_AGENT_PORTS": f"{self.ports.first}-{self.ports.last}", **os.environ},
            )
        self.process = process
        self.started.append(process)

        def is_ready() -> bool:
            assert process.poll() is None, last_lines(self.folder / "up.log", 30)
            state = read_state(self.data / "run" / "state.json")
            return state is not None and state.pid == process.pid and state.phase == "ready"

        wait_for(is_ready, "the service", 180)

    def ottla(self, *words: str, stdin: str | None = None) -> Any:
        """Run a command with --json; returns its document. Fails the test on a non-zero exit."""
        done = self.run(*words, "--json", stdin=stdin)
        assert done.returncode == 0, f"ottla {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def run(
        self, *words: str, stdin: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """more: of the environment."""
        return subprocess.run(
            [*OTTLA, *words],
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env={
                **os.environ,
                "XDG_CONFIG_HOME": str(self.folder / "config"),
                "OTTLA_URL": self.state.api_url,
                **more,
            },
        )

    @property
    def operator_token(self) -> str:
        return (self.data / "secrets" / "operator-token").read_text().strip()

    def answers(self) -> bool:
        """Whether the API is there and has its database."""
        try:
            return httpx.get(f"{self.state.api_url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def sign_up(self) -> None:
        self.ottla(
            "signup", "--email", "dev@example.com", "--password-stdin", stdin="correct horse\n"
        )

    def brokers(self) -> list[psutil.Process]:
        return [
            each
            for each in processes_of(self.data)
            if "data_plane.server.main" in each.info["cmdline"]
        ]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and wait; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def clean_up(self) -> None:
        """Whatever a failed test left: end what this object started, by id."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for left in processes_of(self.data):
            left.kill()


def processes_of(data: Path) -> list[psutil.Process]:
    """Living processes whose command line names the data directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(data) in word for word in words) and is_alive(process.pid):
            found.append(process)
    return found


def client_of(config: dict[str, str]) -> dict[str, object]:
    """What librdkafka is given: an add-on's config vars and nothing else."""
    return {
        "bootstrap.servers": config["KAFKA_URL"].replace("kafka+ssl://", ""),
        "security.protocol": "ssl",
        "ssl.ca.pem": config["KAFKA_TRUSTED_CERT"],
        "ssl.certificate.pem": config["KAFKA_CLIENT_CERT"],
        "ssl.key.pem": config["KAFKA_CLIENT_CERT_KEY"],
        "message.timeout.ms": 120_000,
        "log_level": 0,
    }
