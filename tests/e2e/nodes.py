"""More machines for a service under test: agents with directories, keys and ports of their own."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from data_plane.agent.config import PortRange
from tests.conftest import wait_for
from tests.e2e.service import ServiceUnderTest, processes_of
from tests.integration.agent.conftest import free_ports


@dataclass
class MoreNodes:
    """`add(name)` invites a node and starts its agent; `clean_up` ends all, brokers too."""

    service: ServiceUnderTest
    agents: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, PortRange] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        return self.service.folder / "nodes" / name

    def add(self, name: str, *options: str) -> None:
        folder = self.folder(name)
        folder.mkdir(parents=True)
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(self._invitation())
        self.ports[name] = free_ports()
        self._start(name, *options)

    def begin_anew(self, name: str) -> None:
        """The agent is killed and started again; its brokers go on meanwhile."""
        agent = self.agents.pop(name)
        agent.kill()
        agent.wait()
        (self.folder(name) / "ready").unlink()
        self._start(name)

    def brokers_of(self, name: str) -> list[psutil.Process]:
        found = processes_of(self.folder(name))
        return [each for each in found if "data_plane.server.main" in each.info["cmdline"]]

    def _start(self, name: str, *options: str) -> None:
        folder, ports = self.folder(name), self.ports[name]
        token, ready = folder / "token", folder / "ready"
        with (folder / "agent.log").open("ab") as log:
            self.agents[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "data_plane.agent.main"),
                    *("--data-dir", str(folder / "data"), "--name", name),
                    *("--control-plane", self.service.state.api_url),
                    *("--ports", f"{ports.first}-{ports.last}"),
                    *("--token-file", str(token), "--ready-file", str(ready)),
                    *("--stop-brokers-on-exit", *options),
                ],
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}},
            )
        wait_for(ready.exists, f"agent {name}", 60)

    def _invitation(self) -> str:
        answer = httpx.post(
            f"{self.service.state.api_url}/nodes/tokens",
            headers={"Authorization": f"Bearer {self.service.operator_token}"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def broker_count(self) -> int:
        """Living brokers of all nodes, the service's own included."""
        nodes = self.service.folder / "nodes"
        more = [p for p in processes_of(nodes) if "data_plane.server.main" in p.info["cmdline"]]
        return len(self.service.brokers()) + len(more)

    def lose(self, name: str) -> None:
        """A machine that goes at once: its agent and its brokers."""
        agent = self.agents.pop(name)
        agent.kill()
        agent.wait()
        for process in processes_of(self.folder(name)):
            process.kill()

    def clean_up(self) -> None:
        for process in self.agents.values():
            process.send_signal(signal.SIGTERM)
        for process in self.agents.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for left in processes_of(self.service.folder / "nodes"):
            left.kill()
