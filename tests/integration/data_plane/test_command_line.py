"""`ottla-broker run` as people and agents meet it: readiness, refusals, exit codes, restarts."""

import json
import signal
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.integration.data_plane.broker_process import (
    STOP_SECONDS_MAX,
    BrokerProcess,
    free_port,
    run,
)
from tests.integration.data_plane.conftest import Starter
from tests.integration.data_plane.kafka_clients import create_topic, produce, read_all


def test_ready_names_the_address_that_answers(start_broker: Starter) -> None:
    port = free_port()
    broker = start_broker(port=port)
    assert broker.address == f"127.0.0.1:{port}"
    with broker.connect() as client:
        client.send(bytes.fromhex("0012000000000001ffff"))
        assert client.receive()[:6] == bytes.fromhex("000000010000")


def test_a_port_already_taken_is_named(start_broker: Starter, tmp_path: Path) -> None:
    broker = start_broker()
    second = run("--data-dir", str(tmp_path / "other"), "--port", str(broker.port))
    assert second.returncode == 69
    assert f"port {broker.port} on 127.0.0.1 is taken" in second.stderr
    assert "Traceback" not in second.stderr


def test_two_brokers_on_one_directory_are_refused(start_broker: Starter, tmp_path: Path) -> None:
    broker = start_broker()
    second = run("--data-dir", str(tmp_path / "data"), "--port", "0")
    assert second.returncode == 75
    assert "in use by another process" in second.stderr
    assert "Traceback" not in second.stderr
    with broker.connect() as client:
        client.send(bytes.fromhex("0012000000000001ffff"))
        assert client.receive(), "the first one serves on"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ([], 2, "--data-dir or --config"),
        (["--data-dir", "x", "--config", "y"], 2, "--data-dir or --config"),
        (["--data-dir", "x", "--port", "70000"], 2, "70000"),
        (["--data-dir", "x", "--port", "many"], 2, "many"),
        (["--data-dir", "x", "--default-partitions", "0"], 2, "default-partitions"),
        (["--data-dir", "x", "--host", "0.0.0.0"], 69, "has no TLS"),
        (["--data-dir", "/proc/nowhere/data", "--port", "0"], 73, "/proc/nowhere/data"),
        (["--config", "/nonexistent.json"], 78, "/nonexistent.json"),
    ],
)
def test_bad_arguments_are_refused_in_words(
    tmp_path: Path, arguments: list[str], exit_code: int, words: str
) -> None:
    placed = [str(tmp_path / "x") if argument == "x" else argument for argument in arguments]
    ended = run(*placed)
    assert ended.returncode == exit_code
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"listeners": "all"}, "listeners must be of type list"),
        ({"surprise": 1}, "unknown field surprise"),
        ({"broker_id": True}, "broker_id must be of type int"),
        ({"listeners": [{"port": 1}]}, "listeners[0]: name is missing"),
        ({"static_configs": {"log.retention.ms": "soon"}}, "log.retention.ms: not a number"),
        ({"static_configs": {"no.such.key": "1"}}, "Unknown broker config name: no.such.key"),
    ],
)
def test_a_bad_config_file_names_the_field(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    good = {"data_dir": str(tmp_path / "data"), "listeners": [{"name": "PLAINTEXT"}]}
    (tmp_path / "broker.json").write_text(json.dumps(good | change))
    ended = run("--config", str(tmp_path / "broker.json"))
    assert ended.returncode == 78
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_sigterm_exits_zero_and_a_second_one_does_not_break_it(start_broker: Starter) -> None:
    broker = start_broker()
    create_topic(broker.address, "kept")
    produce(broker.address, "kept", [b"kept"])
    broker.process.send_signal(signal.SIGTERM)
    broker.process.send_signal(signal.SIGTERM)
    broker.process.communicate(timeout=STOP_SECONDS_MAX)
    assert broker.process.returncode == 0


def test_a_restart_after_a_clean_stop_finds_everything(start_broker: Starter) -> None:
    broker = start_broker()
    create_topic(broker.address, "kept", 2)
    produce(broker.address, "kept", [b"one", b"two"], 1)
    assert broker.stop() == 0
    broker = start_broker()
    assert [message.value() for message in read_all(broker.address, "kept", 2, 2)] == [
        b"one",
        b"two",
    ]
    assert produce(broker.address, "kept", [b"three"], 1)[0].offset() == 2
    assert broker.stop() == 0


def test_a_directory_of_another_cluster_is_refused(tmp_path: Path) -> None:
    config = {
        "data_dir": str(tmp_path / "data"),
        "cluster_id": "first",
        "listeners": [{"name": "PLAINTEXT"}],
    }
    (tmp_path / "broker.json").write_text(json.dumps(config))
    assert BrokerProcess("--config", str(tmp_path / "broker.json"), port=None).stop() == 0
    (tmp_path / "broker.json").write_text(json.dumps(config | {"cluster_id": "second"}))
    ended = run("--config", str(tmp_path / "broker.json"))
    assert ended.returncode == 75
    assert "belongs to cluster first" in ended.stderr


def test_metrics_count_what_moved(start_broker: Starter) -> None:
    port = free_port()
    broker = start_broker("--metrics-port", str(port))
    create_topic(broker.address, "metered")
    produce(broker.address, "metered", [b"x" * 100] * 10)
    read_all(broker.address, "metered", 10)
    text = page(port, "/metrics")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['ottla_messages_in_total{topic="metered"}'] == "10"
    assert values["ottla_messages_in_total"] == "10"
    assert int(values['ottla_bytes_in_total{topic="metered"}']) > 1_000
    assert (
        values['ottla_bytes_out_total{topic="metered"}']
        == values['ottla_bytes_in_total{topic="metered"}']
    )
    assert values["ottla_topics"] == "1"
    assert values["ottla_partition_replicas"] == "1"
    assert values["ottla_offline_partitions"] == "0"
    assert page(port, "/ready") == f"ready {version('ottla')}\n"
    with pytest.raises(urllib.error.HTTPError) as caught:
        page(port, "/secrets")
    assert caught.value.code == 404
    caught.value.close()


def page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        body: bytes = response.read()
        return body.decode()
