"""Compaction by its own process beside a serving broker, through a real client, and kill -9."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from data_plane.server.cleaner_process import NICENESS
from tests.integration.data_plane.broker_process import BrokerProcess, wait_until
from tests.integration.data_plane.kafka_clients import create_topic

KEYS = 40


def config_file(directory: Path, **static: str) -> Path:
    """A broker that looks for compaction ten times a second."""
    path = directory / "broker.json"
    path.write_text(
        json.dumps(
            {
                "data_dir": str(directory / "data"),
                "listeners": [{"name": "PLAINTEXT"}],
                "super_users": ["User:ANONYMOUS"],
                "static_configs": {"log.cleaner.backoff.ms": "100"}
                | {name.replace("_", "."): value for name, value in static.items()},
            }
        )
    )
    return path


@contextmanager
def running(path: Path) -> Iterator[BrokerProcess]:
    broker = BrokerProcess("--config", str(path), port=None)
    try:
        yield broker
    finally:
        if broker.process.poll() is None:
            broker.kill()


def create_compacted(broker: BrokerProcess, topic: str) -> None:
    configs = {
        "cleanup.policy": "compact",
        "segment.bytes": "20000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    create_topic(broker.address, topic, 1, **configs)


class Writer:
    """Writes random keys and remembers what a reader must find last of each."""

    def __init__(self, address: str, topic: str, rng: random.Random) -> None:
        self._producer = Producer(
            {"bootstrap.servers": address, "acks": "all", "enable.idempotence": True}
        )
        self._topic, self._rng = topic, rng
        self.last: dict[bytes, bytes] = {}
        self.count = 0

    def write(self, count: int) -> None:
        for _ in range(count):
            key = b"key-%d" % self._rng.randrange(KEYS)
            value = b"%d " % self.count + b"x" * 200
            self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
            self.count += 1
        assert self._producer.flush(20) == 0

    def _delivered(self, error: object, message: Message) -> None:
        assert error is None
        key, value = message.key(), message.value()
        assert key is not None
        assert value is not None
        self.last[key] = value


def read_keys(broker: BrokerProcess, topic: str, end: int) -> tuple[dict[bytes, bytes], list[int]]:
    """Read to the end; the last value of each key, and every offset seen."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    last: dict[bytes, bytes] = {}
    offsets: list[int] = []
    try:
        while True:
            message = consumer.poll(10)
            assert message is not None, f"nothing more came after {offsets[-1:]} of {end}"
            if message.error():
                break
            offset, key, value = message.offset(), message.key(), message.value()
            assert offset is not None
            assert key is not None
            assert value is not None
            offsets.append(offset)
            last[key] = value
    finally:
        consumer.close()
    return last, offsets


def log_bytes(directory: Path) -> int:
    found = 0
    for path in (directory / "data").glob("*-0/*.log"):
        try:
            found += path.stat().st_size
        except FileNotFoundError:
            continue
    return found


def child_of(broker: BrokerProcess) -> psutil.Process | None:
    children = psutil.Process(broker.process.pid).children()
    return next((one for one in children if "cleaner_child" in " ".join(one.cmdline())), None)


def test_46_compaction_beside_a_producer_and_a_consumer(tmp_path: Path) -> None:
    with running(config_file(tmp_path)) as broker:
        create_compacted(broker, "t")
        writer = Writer(broker.address, "t", random.Random(1))
        for _ in range(20):
            writer.write(100)
            last, offsets = read_keys(broker, "t", writer.count)
            assert last == writer.last
            assert offsets == sorted(set(offsets))
            assert offsets[-1] == writer.count - 1
        child = write_until_compacted(broker, writer)
        wait_until(partial(has_low_priority, child), "its low priority")
        written = writer.count * 200
        wait_until(lambda: log_bytes(tmp_path) < written / 3, "compaction")
        last, offsets = read_keys(broker, "t", writer.count)
        assert last == writer.last
        assert len(offsets) < writer.count / 3
        wait_until(lambda: child_of(broker) is None, "the end of the idle process")
        admin = AdminClient({"bootstrap.servers": broker.address})
        latest = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]  # the client has no types
        newest = admin.list_offsets({TopicPartition("t", 0): latest})
        (found,) = [future.result(10) for future in newest.values()]
        assert found.offset in offsets
        assert broker.stop() == 0
    with running(config_file(tmp_path)) as broker:
        last_again, offsets_again = read_keys(broker, "t", writer.count)
        assert last_again == last
        assert set(offsets_again) <= set(offsets)


@pytest.mark.parametrize("seed", range(2))
def test_d11_kill_9_in_the_middle_of_a_compaction(seed: int, tmp_path: Path) -> None:
    """Goal: whatever step the kill meets, the last value of each key is there after the restart.
    Method: a slow rate keeps runs long; kill at a random time while a run is under way."""
    rng = random.Random(seed)
    path = config_file(tmp_path, log_cleaner_io_max_bytes_per_second="600000")
    last: dict[bytes, bytes] = {}
    count = 0
    for _ in range(3):
        with running(path) as broker:
            if not count:
                create_compacted(broker, "t")
            writer = Writer(broker.address, "t", rng)
            writer.last, writer.count = last, count
            child = write_until_compacted(broker, writer)
            if rng.random() < 0.5:
                write_until_drafted(tmp_path, writer)
            last, count = writer.last, writer.count
            broker.kill()
            wait_until(lambda: not psutil.pid_exists(child.pid), "the child's end")  # noqa: B023 - called within the round
    with running(path) as broker:
        found, offsets = read_keys(broker, "t", count)
        assert found == last
        assert offsets[-1] == count - 1
        assert broker.stop() == 0
    with running(path) as broker:
        assert read_keys(broker, "t", count)[0] == last


def write_until_compacted(broker: BrokerProcess, writer: Writer) -> psutil.Process:
    """Write until a run is under way; return its process."""
    for _ in range(400):
        writer.write(40)
        child = child_of(broker)
        if child is not None:
            return child
    raise AssertionError("no compaction began")


def write_until_drafted(directory: Path, writer: Writer) -> None:
    """Write until there is a draft: a run found before may have ended, and none follows idly."""

    def is_drafted() -> bool:
        writer.write(40)
        return has_drafts(directory)

    wait_until(is_drafted, "a draft")


def has_low_priority(child: psutil.Process) -> bool:
    return not child.is_running() or child.nice() == NICENESS


def has_drafts(directory: Path) -> bool:
    return any((directory / "data").glob("*/*.cleaned"))
