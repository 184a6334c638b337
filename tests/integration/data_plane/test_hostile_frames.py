"""Frames no client should send: the one connection suffers, the broker serves on."""

import struct

import crc32c
import pytest

from data_plane.protocol.records.record import Record, encode_batch
from tests.integration.data_plane.broker_process import BrokerProcess
from tests.integration.data_plane.kafka_clients import create_topic, end_offset, produce

API_VERSIONS_V0 = bytes.fromhex("0012000000000001ffff")


@pytest.fixture(autouse=True)
def serves_on(broker: BrokerProcess) -> None:
    """Checked before each test, hence after the one before it; the last one checks itself."""
    with broker.connect() as client:
        client.send(API_VERSIONS_V0)
        assert client.receive()[:6] == bytes.fromhex("000000010000")


def produce_v3(topic: str, batch: bytes, acks: int = -1) -> bytes:
    """A whole Produce v3 request for partition 0."""
    name = topic.encode()
    return (
        struct.pack(">hhih", 0, 3, 7, -1)
        + struct.pack(">hhii", -1, acks, 5_000, 1)
        + struct.pack(">h", len(name))
        + name
        + struct.pack(">iii", 1, 0, len(batch))
        + batch
    )


def error_of(response: bytes, topic: str) -> int:
    """The one partition's error code in a Produce v3 response."""
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    code: int = struct.unpack_from(">h", response, at)[0]
    return code


@pytest.mark.semantics("1b", "1c")
@pytest.mark.parametrize("size", [-1, -(2**31), 2**31 - 1, 100 * 1024 * 1024 + 1])
def test_a_frame_that_lies_about_its_length_closes(broker: BrokerProcess, size: int) -> None:
    with broker.connect() as client:
        client.socket.sendall(struct.pack(">i", size) + b"whatever")
        assert client.is_closed_by_broker()


def test_bytes_behind_a_request_are_ignored(broker: BrokerProcess) -> None:
    """As Apache Kafka does; they are not taken for the next frame either."""
    with broker.connect() as client:
        client.send(API_VERSIONS_V0 + b"more")
        assert client.receive()[:6] == bytes.fromhex("000000010000")
        client.send(API_VERSIONS_V0)
        assert client.receive()[:6] == bytes.fromhex("000000010000")


def test_a_frame_shorter_than_its_request_closes(broker: BrokerProcess) -> None:
    with broker.connect() as client:
        client.send(produce_v3("short", b"")[:-3])
        assert client.is_closed_by_broker()


def test_an_unfinished_frame_holds_nobody_up(broker: BrokerProcess) -> None:
    with broker.connect() as lazy, broker.connect() as busy:
        lazy.socket.sendall(struct.pack(">i", 50_000_000) + b"begun")
        busy.send(API_VERSIONS_V0)
        assert busy.receive()[:4] == bytes.fromhex("00000001")


@pytest.mark.semantics("7a")
@pytest.mark.parametrize("key", [999, -1, 4, 71])
def test_an_unknown_api_key_closes(broker: BrokerProcess, key: int) -> None:
    with broker.connect() as client:
        client.send(struct.pack(">hhih", key, 0, 1, -1))
        assert client.is_closed_by_broker()


@pytest.mark.semantics("7a")
def test_an_unknown_version_closes(broker: BrokerProcess) -> None:
    with broker.connect() as client:
        client.send(struct.pack(">hhih", 3, 99, 1, -1))
        assert client.is_closed_by_broker()


@pytest.mark.semantics("5a", "5b")
def test_an_unknown_version_of_api_versions_is_answered(broker: BrokerProcess) -> None:
    """Version 0 body, error 35, our own range; the connection stays for the retry (KIP-511)."""
    with broker.connect() as client:
        client.send(struct.pack(">hhih", 18, 99, 5, 3) + b"abc\0\0\0")
        assert client.receive() == struct.pack(">ihihhh", 5, 35, 1, 18, 0, 4)
        client.send(API_VERSIONS_V0)
        assert client.receive()[:6] == bytes.fromhex("000000010000")


@pytest.mark.semantics("13d")
def test_a_batch_with_a_wrong_checksum_is_refused(broker: BrokerProcess) -> None:
    create_topic(broker.address, "checked")
    batch = bytearray(encode_batch([Record(0, 0, b"k", b"v", ())], base_timestamp_ms=1))
    batch[-1] ^= 1
    with broker.connect() as client:
        client.send(produce_v3("checked", bytes(batch)))
        assert error_of(client.receive(), "checked") == 2
    assert end_offset(broker.address, "checked") == 0


@pytest.mark.semantics("15b")
def test_a_batch_that_lies_about_its_records_is_refused(broker: BrokerProcess) -> None:
    """The count says three, the last offset delta says one record: offsets would be skipped."""
    create_topic(broker.address, "counted")
    batch = bytearray(encode_batch([Record(0, 0, b"k", b"v", ())], base_timestamp_ms=1))
    struct.pack_into(">i", batch, 57, 3)
    struct.pack_into(">I", batch, 17, crc32c.crc32c(bytes(batch[21:])))
    with broker.connect() as client:
        client.send(produce_v3("counted", bytes(batch)))
        assert error_of(client.receive(), "counted") == 87
    assert end_offset(broker.address, "counted") == 0


@pytest.mark.semantics("9b")
def test_a_failed_produce_without_acks_closes(broker: BrokerProcess) -> None:
    """There is no response to carry the error; only the end of the connection tells."""
    with broker.connect() as client:
        client.send(produce_v3("no-such-topic", b"x" * 70, acks=0))
        assert client.is_closed_by_broker()


def test_old_produce_versions_answer_35(broker: BrokerProcess) -> None:
    """Advertised for librdkafka's sake only (KAFKA-18659)."""
    name = b"old"
    body = (
        struct.pack(">hhih", 0, 1, 7, -1)
        + struct.pack(">hii", 1, 1_000, 1)
        + struct.pack(">h", len(name))
        + name
        + struct.pack(">iii", 1, 0, 0)
    )
    with broker.connect() as client:
        client.send(body)
        assert error_of(client.receive(), "old") == 35


@pytest.mark.semantics("2a")
def test_replies_keep_the_order_of_requests(broker: BrokerProcess) -> None:
    """A produce that waits for its sync, then one that does not wait, then ApiVersions."""
    create_topic(broker.address, "ordered")
    batch = encode_batch([Record(0, 0, b"k", b"v", ())], base_timestamp_ms=1)
    with broker.connect() as client:
        for correlation, body in enumerate(
            [
                produce_v3("ordered", batch),
                produce_v3("ordered", batch, acks=1),
                API_VERSIONS_V0,
                produce_v3("ordered", batch),
            ]
        ):
            client.send(body[:4] + struct.pack(">i", correlation) + body[8:])
        order = [struct.unpack_from(">i", client.receive())[0] for _ in range(4)]
    assert order == [0, 1, 2, 3]


def test_the_broker_still_serves_real_clients(broker: BrokerProcess) -> None:
    create_topic(broker.address, "survived")
    assert produce(broker.address, "survived", [b"yes"])[0].offset() == 0
