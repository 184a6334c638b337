"""The cluster under test: `ottla-broker cluster`, every topic on all of its brokers."""

import json
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.conformance.broker import (
    STATIC_CONFIGS,
    admit_user,
    listener_of,
    secured_listeners,
)
from tests.conformance.place import Death
from tests.conformance.security import Security, write_client, write_server
from tests.fakes.certificates import CertificateAuthority
from tests.integration.data_plane.cluster_process import ClusterProcess, free_base_port

REPLICAS_MAX: Final = 3
START_SECONDS_MAX: Final = 300.0  # of a loaded machine; two without load
RESTART_SECONDS_MAX: Final = 120.0  # of a loaded machine; five without load
ANSWER_SECONDS_MAX: Final = 3.0
LISTENERS: Final = ("PLAINTEXT", "SSL", "SASL_SSL")
ROLES: Final = ("leader", "follower", "controller")


class ConformanceCluster:
    """Started by the constructor, in `folder`; `stop` ends it.

    kill_every_s: a broker dies by SIGKILL so often, as leader, follower and controller in turn;
    0 is never. seed: draws which one, where several have the part.
    """

    def __init__(
        self, folder: Path, *, brokers: int, kill_every_s: float = 0.0, seed: int = 0
    ) -> None:
        self._folder = folder
        self._brokers = brokers
        self.replicas = min(REPLICAS_MAX, brokers)
        base = free_base_port(len(LISTENERS) * brokers)
        self._ports = {name: base + at * brokers for at, name in enumerate(LISTENERS)}
        authority = write_server(folder)
        config = folder / "cluster.json"
        config.write_text(json.dumps(self._config()))
        self._process = ClusterProcess(
            folder / "data",
            *("--config", str(config), "--auto-create-topics"),
            brokers=brokers,
            base_port=base,
            log=folder / "brokers.log",
        )
        self.address = self._addresses("127.0.0.1", "PLAINTEXT")
        self.killer = Killer(self._process, self.address, random.Random(seed))
        try:
            self._begin(folder, authority)
        except BaseException:
            self._process.stop()
            raise
        self._kill_every_s = kill_every_s

    def begin_killing(self) -> None:
        """From now on brokers die, if any shall: when what all clients share has been made."""
        if self._kill_every_s:
            self.killer.start(self._kill_every_s)

    def _begin(self, folder: Path, authority: CertificateAuthority) -> None:
        """Wait until it serves, and let the user in."""
        self._process.wait_for("ready", START_SECONDS_MAX)
        cluster_id = json.loads((folder / "data" / "cluster.json").read_text())["cluster_id"]
        write_client(folder, authority, cluster_id)
        admit_user(self.address, cluster_id)

    @property
    def kills(self) -> int:
        return self.killer.kills

    @property
    def deaths(self) -> Sequence[Death]:
        return self.killer.deaths

    def stop(self) -> int:
        """Returns the exit code. Raises AssertionError if a killed broker did not come back."""
        self.killer.stop()
        return self._process.stop()

    def secured(self, kind: str) -> tuple[str, Security]:
        """Addresses and proof for clients of this kind (security.py)."""
        return self._addresses("localhost", listener_of(kind)), Security(self._folder, kind)

    def _addresses(self, host: str, listener: str) -> str:
        port = self._ports[listener]
        return ",".join(f"{host}:{port + at}" for at in range(self._brokers))

    def _config(self) -> dict[str, object]:
        return {
            "listeners": secured_listeners(self._folder, self._ports),
            "static_configs": {
                **STATIC_CONFIGS,
                "min.insync.replicas": str(max(1, self.replicas - 1)),
            },
        }


class Killer:
    """Kills one broker at a time, in a thread of its own, and sees that it serves again."""

    def __init__(self, process: ClusterProcess, address: str, rng: random.Random) -> None:
        self._process = process
        self._address = address
        self._rng = rng
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure = ""
        self.kills = 0
        self.deaths: list[Death] = []

    def start(self, every_s: float) -> None:
        self._thread = threading.Thread(target=self._run, args=(every_s,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(2 * RESTART_SECONDS_MAX)
        assert not self._failure, self._failure

    def _run(self, every_s: float) -> None:
        began = time.monotonic()
        while not self._is_over.wait(began + (self.kills + 1) * every_s - time.monotonic()):
            try:
                role = ROLES[self.kills % len(ROLES)]
                self.kill(self._rng.choice(self.having(role)), role)
            except AssertionError as error:
                self._failure = str(error)
                return

    def kill(self, broker_id: int, role: str) -> None:
        """Returns once the cluster says that it serves again."""
        self.kills += 1
        t0 = time.time_ns()
        self._process.kill_broker(broker_id)
        self._process.wait_for(f"broker {broker_id} serves again", RESTART_SECONDS_MAX)
        self.deaths.append(Death(broker_id, role, t0, time.time_ns()))

    def having(self, role: str) -> list[int]:
        """The brokers that a kill of this role may hit; all, where nobody answers in time."""
        admin = AdminClient({"bootstrap.servers": self._address, "log_level": 0})
        try:
            if role == "controller":
                return [admin.describe_cluster().result(ANSWER_SECONDS_MAX).controller.id]
            topics = admin.list_topics(timeout=ANSWER_SECONDS_MAX).topics.values()
        except (KafkaException, TimeoutError):
            return list(range(self._process.brokers))
        rows = [row for topic in topics for row in topic.partitions.values() if row.leader >= 0]
        if not rows:
            return list(range(self._process.brokers))
        chosen = self._rng.choice(rows)
        followers = [one for one in chosen.replicas if one != chosen.leader]
        return [chosen.leader] if role == "leader" or not followers else followers
