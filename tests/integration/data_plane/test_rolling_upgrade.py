"""Older and newer brokers in one cluster: rolled up and down under load, then finalized.

The older ones know `ottla.version` 1 and say so; they refuse what only level 2 speaks.
"""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from data_plane.metadata.codec import OTTLA_VERSION
from data_plane.metadata.features import CLUSTER_LEVEL, NEWEST_LEVEL
from data_plane.protocol.messages.api_versions import ApiVersionsRequest
from data_plane.protocol.messages.update_features import (
    SAFE_DOWNGRADE,
    UPGRADE,
    UpdateFeaturesRequest,
    UpdateFeaturesRequestFeature,
)
from tests.integration.data_plane.broker_process import BrokerProcess, run, wait_until
from tests.integration.data_plane.trio import BROKERS, StartingBroker, Trio

OLDER = CLUSTER_LEVEL
TOPIC, PARTITIONS = "flights", 3
SECONDS_MAX = 120.0


class MixedTrio(Trio):
    """Each broker's software is older or newer, as it was started last."""

    def arguments(self, broker_id: int, level_max: int) -> tuple[str, ...]:
        seams = self.folder / f"seams-{broker_id}.json"
        seams.write_text(json.dumps({"ottla_version_max": level_max}))
        return "--config", str(self.config(broker_id)), "--fault-seams", str(seams)

    def start_as(self, *levels: int) -> None:
        starting = [
            StartingBroker(*self.arguments(each, level))
            for each, level in zip(BROKERS, levels, strict=True)
        ]
        for each, process in zip(BROKERS, starting, strict=True):
            process.finish()
            self.processes[each] = process

    def roll(self, broker_id: int, level_max: int) -> None:
        """One broker becomes another software, cleanly, and all replicas are in sync again."""
        self.await_in_sync()
        assert self.processes[broker_id].stop() == 0
        arguments = self.arguments(broker_id, level_max)
        self.processes[broker_id] = BrokerProcess(*arguments, port=None)
        self.await_in_sync()

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def await_in_sync(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

        def is_in_sync() -> bool:
            topics = admin.list_topics(timeout=SECONDS_MAX).topics.values()
            rows = [row for topic in topics for row in topic.partitions.values()]
            return all(row.leader >= 0 and len(row.isrs) == len(row.replicas) for row in rows)

        wait_until(is_in_sync, "all replicas in sync", SECONDS_MAX)

    def finalize(self, level: int, kind: int = UPGRADE) -> tuple[int, str]:
        """Code and words of UpdateFeatures."""
        update = UpdateFeaturesRequestFeature(OTTLA_VERSION, level, upgrade_type=kind)
        response = self.ask(0, UpdateFeaturesRequest(feature_updates=[update]))
        return response.error_code, response.error_message or ""

    def features(self, broker_id: int) -> tuple[int, tuple[int, int]]:
        """The finalized level of `ottla.version`, and what the broker supports."""
        told = self.ask(broker_id, ApiVersionsRequest("test", "1"))
        finalized = {row.name: row.max_version_level for row in told.finalized_features}
        supported = {
            row.name: (row.min_version, row.max_version) for row in told.supported_features
        }
        return finalized[OTTLA_VERSION], supported[OTTLA_VERSION]


class Load:
    """Numbered records, plain and in transactions, until `end`; every error is kept."""

    def __init__(self, bootstrap: str) -> None:
        self._settings = {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "linger.ms": 5,
            "message.timeout.ms": 60_000,
            "enable.idempotence": True,
        }
        self._is_over = threading.Event()
        self.acked: set[bytes] = set()
        self.errors: list[object] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(run,)) for run in (self._plain, self._txns)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(SECONDS_MAX)
            assert not thread.is_alive()

    def _guarded(self, run: Any) -> None:
        try:
            run()
        except Exception as error:  # The test tells of it, in its own thread.
            self.errors.append(error)

    def _told(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.errors.append(error)
        else:
            self.acked.add(message.value() or b"")

    def _plain(self) -> None:
        producer = Producer(self._settings)
        for number in itertools.count():
            if self._is_over.wait(0.01):
                break
            producer.produce(
                TOPIC, b"plain %d" % number, partition=number % PARTITIONS, on_delivery=self._told
            )
            producer.poll(0)
        assert producer.flush(60) == 0

    def _txns(self) -> None:
        producer = Producer(self._settings | {"transactional.id": "mover"})
        producer.init_transactions(60)
        for number in itertools.count():
            if self._is_over.wait(0.05):
                break
            producer.begin_transaction()
            for index in range(PARTITIONS):
                producer.produce(
                    TOPIC, b"txn %d %d" % (number, index), partition=index, on_delivery=self._told
                )
            producer.commit_transaction(60)


@contextmanager
def mixed(*levels: int) -> Iterator[MixedTrio]:
    with TemporaryDirectory(prefix="trio") as folder:
        trio = MixedTrio(Path(folder))
        try:
            trio.start_as(*levels)
            yield trio
        finally:
            for process in trio.processes.values():
                if process.process.poll() is None:
                    process.kill()


def create_topic(trio: MixedTrio, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": trio.bootstrap, "log_level": 0})
    configs = {"min.insync.replicas": "2"}
    (future,) = admin.create_topics([NewTopic(name, PARTITIONS, 3, config=configs)]).values()
    future.result(SECONDS_MAX)


def read_committed(trio: MixedTrio, count: int) -> list[bytes]:
    """All of the topic by a group, until `count` records and then the end have come."""
    consumer = Consumer(
        {
            "bootstrap.servers": trio.bootstrap,
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    ends: dict[int, int] = {}

    def are_ends_known() -> bool:
        """Leaders go back to where they are preferred; this look-up is not repeated by itself."""
        for index in range(PARTITIONS):
            with suppress(KafkaException):
                at = TopicPartition(TOPIC, index)
                ends[index] = consumer.get_watermark_offsets(at, SECONDS_MAX)[1]
        return len(ends) == PARTITIONS

    wait_until(are_ends_known, "where each partition ends", SECONDS_MAX)
    consumer.subscribe([TOPIC])
    found: list[bytes] = []

    def is_whole() -> bool:
        for message in consumer.consume(1000, 0.5):
            assert message.error() is None, message.error()
            found.append(message.value() or b"")
        places = consumer.position([TopicPartition(TOPIC, index) for index in range(PARTITIONS)])
        return len(found) >= count and all(at.offset >= ends[at.partition] for at in places)

    try:
        wait_until(is_whole, "everything that was acknowledged", SECONDS_MAX)
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return found


@pytest.mark.timeout(900)
def test_a_cluster_is_rolled_up_and_down_and_up_under_load_and_then_finalized() -> None:
    with mixed(OLDER, OLDER, OLDER) as trio:
        create_topic(trio, TOPIC)
        assert trio.features(0) == (OLDER, (1, OLDER))
        load = Load(trio.bootstrap)
        try:
            trio.roll(0, NEWEST_LEVEL)
            assert trio.finalize(NEWEST_LEVEL)[0] != 0, "two brokers do not know it"
            create_topic(trio, "made-by-a-mixed-cluster")
            trio.roll(1, NEWEST_LEVEL)
            trio.roll(1, OLDER)  # Back again, as nothing is finalized.
            trio.roll(1, NEWEST_LEVEL)
            assert trio.features(1) == (OLDER, (1, NEWEST_LEVEL))
            trio.roll(2, NEWEST_LEVEL)
            assert trio.finalize(NEWEST_LEVEL) == (0, "")
            wait_until(
                lambda: {trio.features(each)[0] for each in BROKERS} == {NEWEST_LEVEL},
                "the finalized level everywhere",
            )
        finally:
            load.end()
        assert load.errors == []
        read = read_committed(trio, len(load.acked))
        assert len(read) == len(set(read)), "nothing twice"
        assert load.acked <= set(read), "nothing lost"
        assert set(read) == load.acked

        trio.processes[2].stop()
        refused = run(*trio.arguments(2, OLDER))
        assert refused.returncode == 77
        assert "ottla.version is finalized at 2, and this software has 0 to 1" in refused.stderr

        # Level 2 wrote nothing that level 1 cannot read, so there is a way back.
        assert trio.finalize(OLDER)[0] != 0, "not without being asked for"
        trio.processes[2] = BrokerProcess(*trio.arguments(2, NEWEST_LEVEL), port=None)
        assert trio.finalize(OLDER, SAFE_DOWNGRADE) == (0, "")
        trio.roll(2, OLDER)
        assert trio.features(2) == (OLDER, (1, OLDER))
