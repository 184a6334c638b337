"""What must survive: kills in the middle of writing, lost answers, full disks, failing disks."""

import json
import random
import time
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient

from tests.integration.data_plane.broker_process import BrokerProcess, free_port, wait_until
from tests.integration.data_plane.conftest import Starter
from tests.integration.data_plane.dropping_proxy import DroppingProxy
from tests.integration.data_plane.kafka_clients import (
    create_topic,
    end_offset,
    produce,
    read_all,
)

STORAGE_ERROR = 56
IN_FLIGHT_MAX = 500


@pytest.mark.parametrize("seed", range(3))
def test_acknowledged_records_survive_kill_9(start_broker: Starter, seed: int) -> None:
    """acks=all, killed at a random moment of a stream: every acknowledged record is there, at its
    offset, in order, once; what was not acknowledged may follow or be missing."""
    broker = start_broker()
    create_topic(broker.address, "stream")
    acknowledged: dict[int, bytes] = {}

    def report(error: object, message: Message) -> None:
        offset, value = message.offset(), message.value()
        if error is None and offset is not None and value is not None:
            acknowledged[offset] = value

    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": 3_000,
            "enable.idempotence": True,
        }
    )
    target = random.Random(seed).randrange(50, 3_000)
    number = 0
    while len(acknowledged) < target:
        if number - len(acknowledged) < IN_FLIGHT_MAX:
            producer.produce("stream", b"%d" % number, on_delivery=report)
            number += 1
        producer.poll(0.0005)
    broker.kill()
    producer.flush(10)
    assert len(acknowledged) >= target

    broker = start_broker()
    end = end_offset(broker.address, "stream")
    found = read_all(broker.address, "stream", end)
    values = [message.value() for message in found]
    assert [message.offset() for message in found] == list(range(end))
    assert all(values[offset] == value for offset, value in acknowledged.items())
    assert values == [b"%d" % each for each in range(end)], "in order, none twice"


def test_a_lost_answer_is_asked_again_and_written_once(tmp_path: Path) -> None:
    """An idempotent producer repeats a batch whose answer was lost; the log holds it once."""
    proxy = DroppingProxy()
    config = {
        "data_dir": str(tmp_path / "data"),
        "listeners": [
            {"name": "DIRECT"},
            {"name": "PROXIED", "port": free_port(), "advertised_port": proxy.port},
        ],
        "super_users": ["User:ANONYMOUS"],
    }
    (tmp_path / "broker.json").write_text(json.dumps(config))
    proxy.upstream = ("127.0.0.1", config["listeners"][1]["port"])  # type: ignore[index]  # parsed from JSON
    broker = BrokerProcess("--config", str(tmp_path / "broker.json"), port=None)
    try:
        create_topic(broker.address, "once")
        values = [b"%d" % number for number in range(200)]
        delivered = produce_through(proxy, "once", values)
        assert proxy.dropped >= 3, "answers were lost, or nothing was tested"
        assert delivered == len(values)
        found = read_all(broker.address, "once", len(values))
        assert [message.value() for message in found] == values
        assert end_offset(broker.address, "once") == len(values)
    finally:
        proxy.close()
        broker.kill()


def produce_through(proxy: DroppingProxy, topic: str, values: list[bytes]) -> int:
    """Idempotent, every connection by the proxy; some answers are lost."""
    delivered = 0

    def report(error: object, _: Message) -> None:
        nonlocal delivered
        assert error is None, error
        delivered += 1

    producer = Producer(
        {
            "bootstrap.servers": f"127.0.0.1:{proxy.port}",
            "enable.idempotence": True,
            "linger.ms": 0,
            "retry.backoff.ms": 10,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 50,
        }
    )
    for number, value in enumerate(values):
        if number % 50 == 10:
            proxy.drop_next_reply()
        producer.produce(topic, value, on_delivery=report)
        producer.flush(20)
    return delivered


def test_a_full_disk_refuses_writes_and_serves_on(tmp_path: Path) -> None:
    """The plan's share of the disk is used up: writes get 56, reads and deletes go on, and room
    made by a delete is taken up again."""
    config = {
        "data_dir": str(tmp_path / "data"),
        "listeners": [{"name": "PLAINTEXT"}],
        "super_users": ["User:ANONYMOUS"],
        "disk_bytes_max": 8_000_000,
    }
    (tmp_path / "broker.json").write_text(json.dumps(config))
    broker = BrokerProcess("--config", str(tmp_path / "broker.json"), port=None)
    try:
        create_topic(broker.address, "filling")
        create_topic(broker.address, "small")
        produce(broker.address, "small", [b"before"])
        codes = fill(broker.address, "filling")
        assert codes[-1] == STORAGE_ERROR, "the disk filled up"
        found = read_all(broker.address, "filling", codes.count(0))
        assert len(found) == codes.count(0), "everything acknowledged can be read"
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.delete_topics(["filling"])["filling"].result(10)
        wait_until(lambda: is_writable(broker.address, "small"), "room after the delete")
        assert broker.stop() == 0
    finally:
        if broker.process.poll() is None:
            broker.kill()


def fill(address: str, topic: str, batches_max: int = 40) -> list[int]:
    """Produce 500 KB at a time until it is refused; returns each batch's error code."""
    codes: list[int] = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "retries": 0})
    value = random.Random(7).randbytes(500_000)
    while len(codes) < batches_max and (not codes or codes[-1] == 0):
        producer.produce(
            topic, value, on_delivery=lambda error, _: codes.append(error.code() if error else 0)
        )
        producer.flush(20)
        # The mark is looked at once a second: a broker may take a second's worth too much.
        time.sleep(0.1)
    return codes


def is_writable(address: str, topic: str) -> bool:
    codes: list[int] = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "retries": 0})
    producer.produce(
        topic, b"after", on_delivery=lambda error, _: codes.append(error.code() if error else 0)
    )
    producer.flush(10)
    return codes == [0]


@pytest.mark.semantics("98c")
def test_a_failed_write_ends_the_broker_before_it_acknowledges(tmp_path: Path) -> None:
    """The kernel refuses a write with an error nobody may retry (EFBIG, as a failing disk gives
    EIO): the broker exits with 74, says so in its directory, and has lost nothing acknowledged."""
    broker = BrokerProcess("--data-dir", str(tmp_path / "data"), file_bytes_max=1_200_000)
    try:
        create_topic(broker.address, "limited")
        codes = fill(broker.address, "limited", batches_max=5)
        _, errors = broker.process.communicate(timeout=20)
        assert broker.process.returncode == 74
        assert "storage failed" in errors
    finally:
        if broker.process.poll() is None:
            broker.kill()
    assert codes[:2] == [0, 0]
    assert codes[2] != 0, "what failed was not acknowledged"
    assert (tmp_path / "data" / "io-failure").exists()
    broker = BrokerProcess("--data-dir", str(tmp_path / "data"))
    assert len(read_all(broker.address, "limited", 2)) == 2
    assert broker.stop() == 0
