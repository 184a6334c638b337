"""The machines under test: one broker or several, their folder, how clients reach them."""

import random
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos import leftovers
from tests.chaos.broker import NO_SETTINGS, ChaosBroker
from tests.chaos.networks import Direct, Namespaces, Network, Refused, Relays
from tests.fakes.certificates import CertificateAuthority
from tests.integration.data_plane.broker_process import free_port

TOPIC_SECONDS_MAX = 120
TRY_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 10.0
IN_SYNC_SECONDS_MAX = 120.0
VOTERS_MAX = 3
NO_CONFIGS: Mapping[str, dict[str, str]] = MappingProxyType({})
NEEDS_THREE = "needs three brokers: --brokers 3"


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
        self,
        brokers: int = 1,
        *,
        has_journal: bool = False,
        network: str = "direct",
        nodes: int = 1,
        static: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        """network: a name of NETWORKS. Raises NotRun for what cannot be had here.

        nodes: on how many machines the brokers say they are; on one, commits wait for syncs, on
        several for replicas. static: settings of every broker, by Kafka's names.
        """
        try:
            self.network: Network = NETWORKS[network](brokers)
        except Refused as error:
            raise NotRun(str(error)) from error
        self.nodes = nodes
        leftovers.clear()
        self.folder = leftovers.new_folder()
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
                static=static,
                more=document,
            )
            for index, document in enumerate(
                cluster_documents(self.folder, brokers, nodes, self.network.peer_hosts())
            )
        ]

    def start(self) -> None:
        self.network.start([broker.port for broker in self.brokers])
        self.start_all(self.brokers)

    def start_all(self, brokers: Sequence[ChaosBroker]) -> None:
        """Launch them together, then wait: one alone has no majority."""
        for broker in brokers:
            broker.launch()
        for broker in brokers:
            broker.await_ready()

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    def require_brokers(self, count: int) -> None:
        """Raises NotRun with fewer brokers."""
        if len(self.brokers) < count:
            raise NotRun(NEEDS_THREE)

    def await_in_sync(self, seconds_max: float = IN_SYNC_SECONDS_MAX) -> None:
        """Wait until every partition has a leader and all its replicas in sync."""
        if len(self.brokers) == 1:
            return
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + seconds_max
        while behind := out_of_sync(admin):
            assert time.monotonic() < deadline, f"replicas do not get in sync: {behind[:4]}"
            time.sleep(0.2)

    def any_broker(self, rng: random.Random) -> ChaosBroker:
        return rng.choice(self.brokers)

    def create_topics(
        self, topics: dict[str, int], configs: Mapping[str, dict[str, str]] = NO_CONFIGS
    ) -> None:
        """name -> partitions; as many replicas as there are brokers, up to three.

        configs: by name of the topic.
        """
        replicas = min(3, len(self.brokers))
        for name, count in topics.items():
            config = configs.get(name, {})
            self._create_topic(NewTopic(name, count, replicas, config=config))

    def _create_topic(self, topic: NewTopic) -> None:
        """Each try is a new client's: librdkafka waits long for a controller it was not told of."""
        deadline = time.monotonic() + TOPIC_SECONDS_MAX
        while True:
            admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            (future,) = admin.create_topics([topic], request_timeout=TRY_SECONDS_MAX).values()
            try:
                future.result(2 * TRY_SECONDS_MAX)
            except (KafkaException, TimeoutError) as error:
                if is_there(error):
                    return
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def heal(self) -> None:
        """Every broker runs, is not paused, is reached and has the right time."""
        self.network.heal()
        for broker in self.brokers:
            broker.set_clock(0)
            if broker.is_running:
                broker.resume()
        self.start_all([broker for broker in self.brokers if not broker.is_running])

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


def is_there(error: Exception) -> bool:
    """Say whether a repeated creation was told that the first one had been done."""
    told = error.args[0] if error.args else None
    return isinstance(told, KafkaError) and told.code() == KafkaError.TOPIC_ALREADY_EXISTS


def out_of_sync(admin: AdminClient) -> list[str]:
    """Name the partitions without a leader, or with replicas that are not in sync."""
    try:
        metadata = admin.list_topics(timeout=ANSWER_SECONDS_MAX)
    except KafkaException as error:
        return [f"no metadata: {error}"]
    return [
        f"{topic.topic}-{one.id}: leader {one.leader}, in sync {one.isrs} of {one.replicas}"
        for topic in metadata.topics.values()
        for one in topic.partitions.values()
        if one.leader < 0 or len(one.isrs) < len(one.replicas)
    ]


def cluster_documents(
    folder: Path, brokers: int, nodes: int, hosts: Sequence[str]
) -> list[dict[str, Any]]:
    """What each broker's configuration says of its cluster; nothing for one alone.

    hosts: where the brokers find each other, by TLS; none: by Unix sockets.
    """
    if brokers == 1:
        return [{}]
    sockets = folder / "sockets"
    sockets.mkdir(mode=0o700)
    directories = [str(uuid.uuid4()) for _ in range(brokers)]
    cluster_id = str(uuid.uuid4())

    if hosts:
        listeners = tls_listeners(folder, hosts, cluster_id)
    else:
        listeners = [
            {
                "internal_listener": {"address": f"unix:{sockets}/internal-{index}.sock"},
                "quorum_listener": {"address": f"unix:{sockets}/quorum-{index}.sock"},
            }
            for index in range(brokers)
        ]

    def quorum_address(index: int) -> str:
        address: str = listeners[index]["quorum_listener"]["address"]
        return address

    voters = [
        {"broker_id": index, "directory_id": each, "quorum_address": quorum_address(index)}
        for index, each in enumerate(directories[:VOTERS_MAX])
    ]
    return [
        {
            "cluster_id": cluster_id,
            "directory_id": directories[index],
            "node_id": f"node-{index % nodes}",
            **listeners[index],
            "initial_voters": voters,
            "spec_broker_count": brokers,
        }
        for index in range(brokers)
    ]


def tls_listeners(folder: Path, hosts: Sequence[str], cluster_id: str) -> list[dict[str, Any]]:
    """Two listeners for each broker at its host, with certificates of a CA of their own."""
    authority = CertificateAuthority()
    (folder / "ca.crt").write_text(authority.certificate_pem)
    made = []
    for index, host in enumerate(hosts):
        pair = authority.broker(index, cluster_id, host)
        (folder / f"peer-{index}.crt").write_text(pair.certificate_pem)
        (folder / f"peer-{index}.key").write_text(pair.key_pem)
        tls = {
            "certificate_file": str(folder / f"peer-{index}.crt"),
            "key_file": str(folder / f"peer-{index}.key"),
            "client_ca_file": str(folder / "ca.crt"),
        }
        made.append(
            {
                name: {"address": f"{host}:{free_port()}", "tls": tls}
                for name in ("internal_listener", "quorum_listener")
            }
        )
    return made
