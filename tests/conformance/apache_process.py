"""Apache Kafka's own broker as a process: one node, broker and controller in one (KRaft).

Its jars come with those of the tools (tests/toolchains/java/pom.xml). Nothing is tuned: the virtual
machine has the options of Kafka's own scripts (bin/kafka-server-start.sh, bin/kafka-run-class.sh in
4.3), and the properties are those that a single node needs.
"""

import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.conformance.toolchains import java
from tests.integration.data_plane.broker_process import free_port

HEAP: Final = ("-Xmx1G", "-Xms1G")
OPTIONS: Final = (
    *HEAP,
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
START_SECONDS_MAX: Final = 600.0  # of a loaded machine; three without load
STOP_SECONDS_MAX: Final = 120.0
TERMINATED: Final = 128 + signal.SIGTERM  # What a virtual machine ends with that was told to.
POLL_S: Final = 0.005


class ApacheProcess:
    """Started by the constructor, in `folder`, which returns once a port accepts connections.

    listeners: name -> "host:port", each of the security protocol that it is named for; clients are
    told the same address. properties: beside those of a node alone.
    """

    def __init__(
        self,
        folder: Path,
        listeners: Mapping[str, str],
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.log = folder / "apache.log"
        settings = folder / "server.properties"
        told = single_node(folder / "apache-data", listeners) | dict(properties or {})
        settings.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
        settings.chmod(0o600)
        self._format(settings)
        argv = java.launched("kafka.Kafka", *OPTIONS)
        self.started_s = time.perf_counter()  # when the process was about to start
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, str(settings)], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            for address in listeners.values():
                self._await(address)
        except BaseException:
            self.kill()
            raise

    def _format(self, settings: Path) -> None:
        """A new directory, as `kafka-storage.sh format --standalone` makes it.

        One id in 64 begins with a dash, so it is no argument of its own.
        """
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        argv = java.command("kafka.tools.StorageTool")
        asked = ["format", "--standalone", f"--cluster-id={cluster_id}", "-c", str(settings)]
        done = subprocess.run(
            [*argv, *asked], capture_output=True, text=True, timeout=START_SECONDS_MAX
        )
        assert done.returncode == 0, f"no storage: {(done.stdout + done.stderr)[-500:]}"

    def _await(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not accepts(host, int(port)):
            assert self.process.poll() is None, f"it did not start: {self.log.read_text()[-500:]}"
            assert time.monotonic() < deadline, f"{address} accepts nothing"
            time.sleep(POLL_S)

    def stop(self) -> int:
        """SIGTERM; returns 0 where it ended as asked, else its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(STOP_SECONDS_MAX)
        return 0 if code in (TERMINATED, -signal.SIGTERM) else code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def single_node(data: Path, listeners: Mapping[str, str]) -> dict[str, str]:
    """As config/server.properties of Kafka has them, for these listeners; ids start at 0."""
    controller = f"127.0.0.1:{free_port()}"
    told = ",".join(f"{name}://{address}" for name, address in listeners.items())
    protocols = {"CONTROLLER": "PLAINTEXT"} | {name: name for name in listeners}
    return {
        "process.roles": "broker,controller",
        "node.id": "0",
        "controller.quorum.bootstrap.servers": controller,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{told},CONTROLLER://{controller}",
        "advertised.listeners": told,
        "listener.security.protocol.map": ",".join(f"{a}:{b}" for a, b in protocols.items()),
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }
