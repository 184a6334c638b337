"""The machines under test: brokers, their folder, how clients reach them.

One broker today. A rig of three takes the same brokers in a list; whatever needs three asks
`require_brokers`, and is named NOT RUN where the cluster does not exist yet.
"""

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos.broker import ChaosBroker
from tests.chaos.networks import Direct, Namespaces, Network, Refused, Relays
from tests.integration.data_plane.broker_process import free_port

TOPIC_SECONDS_MAX = 30
NEEDS_THREE = "needs three brokers, and `ottla-broker cluster` does not exist yet"


NETWORKS: dict[str, Callable[[int], Network]] = {
    "direct": lambda _brokers: Direct(),
    "relays": Relays,
    "namespaces": Namespaces,
}


class NotRun(Exception):
    """This cannot be done here; the text says what is missing."""


class Rig:
    """Running brokers, gone with their data at the end unless `keep`."""

    def __init__(
        self, brokers: int = 1, *, has_journal: bool = False, network: str = "direct"
    ) -> None:
        """network: a name of NETWORKS. Raises NotRun for what cannot be had here."""
        if brokers != 1:
            raise NotRun(NEEDS_THREE)
        try:
            self.network: Network = NETWORKS[network](brokers)
        except Refused as error:
            raise NotRun(str(error)) from error
        self.folder = Path(tempfile.mkdtemp(prefix="ottla-chaos-"))
        self.history = self.folder / "history"
        self.history.mkdir()
        self.brokers = [
            ChaosBroker(
                self.folder,
                index,
                free_port(),
                prefix=self.network.prefix(index),
                advertised=self.network.advertised(index),
                has_journal=has_journal,
            )
            for index in range(brokers)
        ]

    def start(self) -> None:
        self.network.start([broker.port for broker in self.brokers])
        for broker in self.brokers:
            broker.start()

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    def require_brokers(self, count: int) -> None:
        """Raises NotRun with fewer brokers."""
        if len(self.brokers) < count:
            raise NotRun(NEEDS_THREE)

    def any_broker(self, rng: random.Random) -> ChaosBroker:
        return rng.choice(self.brokers)

    def create_topics(self, topics: dict[str, int]) -> None:
        """name -> partitions; as many replicas as there are brokers, up to three."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        replicas = min(3, len(self.brokers))
        made = [NewTopic(name, count, replicas) for name, count in topics.items()]
        for future in admin.create_topics(made).values():
            future.result(TOPIC_SECONDS_MAX)

    def heal(self) -> None:
        """Every broker runs, is not paused, is reached and has the right time."""
        self.network.heal()
        for broker in self.brokers:
            broker.set_clock(0)
            if broker.is_running:
                broker.resume()
            else:
                broker.start()

    def close(self) -> None:
        for broker in self.brokers:
            broker.kill()
        self.network.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Rig":
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
