"""The README's tour by the command line, from sign-up to destruction, on real brokers."""

import signal
from pathlib import Path

import pytest

from control_plane.cli.exit_codes import ExitCode
from tests.conftest import wait_for
from tests.e2e.service import ServiceUnderTest, processes_of

pytestmark = pytest.mark.timeout(180)


def test_the_tour(service: ServiceUnderTest) -> None:
    service.up()
    service.sign_up()
    assert service.ottla("whoami")["email"] == "dev@example.com"
    assert service.ottla("apps:create", "flights")["name"] == "flights"
    plans = service.ottla("addons:plans")
    assert "ottla-kafka:mini-0" in [plan["name"] for plan in plans]

    addon = service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")
    assert addon["state"] == "provisioned"
    assert service.ottla("kafka", "wait")["waiting?"] is False

    topic = service.ottla("kafka", "topics", "create", "orders", "--partitions", "3")
    assert (topic["name"], topic["partitions"]) == ("orders", 3)
    written = service.ottla("kafka:topics:write", "orders", "first", "--key", "k")
    service.ottla("kafka:topics:write", "orders", "-", "--key", "k", stdin="second\nthird\n")
    tail = service.run("kafka:topics:tail", "orders", "--from-beginning", "--max", "3")
    assert tail.returncode == 0, tail.stderr
    partition = written[0]["partition"]
    assert tail.stdout.splitlines() == [
        f"orders {partition} 0 k first",
        f"orders {partition} 1 k second",
        f"orders {partition} 2 k third",
    ]

    for absent in (
        ["kafka:topics:write", "nowhere", "x"],
        ["kafka:topics:write", "orders", "x", "--partition", "9"],
        ["kafka:topics:tail", "nowhere", "--max", "1"],
    ):
        refused = service.run(*absent)
        assert refused.returncode == ExitCode.NOT_FOUND, refused.stderr

    config = service.ottla("config")
    assert config["KAFKA_URL"].startswith("kafka+ssl://127.0.0.1:")
    assert config["KAFKA_CLIENT_CERT_KEY"].startswith("-----BEGIN")
    info = service.ottla("kafka:info")
    assert info["topics"] == ["orders"]
    assert info["partition_replica_count"] == 3
    assert service.ottla("addons:info")["usage"]["amount_micros"] >= 0

    refused = service.run("kafka:topics:destroy", "orders", "--confirm", "wrong")
    assert refused.returncode == 5
    service.ottla("kafka:topics:destroy", "orders", "--confirm", "orders")
    wait_for(lambda: service.ottla("kafka:topics")["topics"] == [], "the topic's end")

    assert len(service.brokers()) == 1
    gone = service.ottla("addons:destroy", "--confirm", addon["name"], "--wait")
    assert gone["state"] == "deprovisioned"
    assert service.brokers() == []
    assert "KAFKA_URL" not in service.ottla("config")
    left = [path for path in (service.data / "agent").rglob("*.pem") if "ca" not in path.name]
    assert left == []

    assert service.stop(signal.SIGINT) == 0
    assert processes_of(service.data) == []


def test_bad_orders_are_refused_in_words(service: ServiceUnderTest) -> None:
    service.up()
    unauthenticated = service.run("apps")
    assert unauthenticated.returncode == 4
    assert "ottla login" in unauthenticated.stderr
    service.sign_up()
    service.ottla("apps:create", "flights")

    unknown = service.run("addons:create", "ottla-kafka:gigantic-9")
    assert unknown.returncode != 0
    assert "mini-0" in unknown.stderr

    service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")
    slash = service.run("kafka:topics:create", "a/b")
    assert slash.returncode != 0
    assert "a/b" in slash.stderr
    replicated = service.run("kafka:topics:create", "orders", "--replication-factor", "3")
    assert replicated.returncode != 0
    assert "standard-0" in replicated.stderr
    assert service.ottla("kafka:topics")["topics"] == []


def test_a_second_up_on_the_same_directory_is_refused(service: ServiceUnderTest) -> None:
    service.up()
    second = service.run("up", "--data-dir", str(service.data), "--port", "0")
    assert second.returncode == 5
    assert "already runs Ottla" in second.stderr
    assert service.process is not None
    assert service.process.poll() is None


def test_a_taken_port_is_refused_with_its_number(service: ServiceUnderTest, tmp_path: Path) -> None:
    service.up()
    port = service.state.api_url.rpartition(":")[2]
    second = service.run("up", "--data-dir", str(tmp_path / "other"), "--port", port)
    assert second.returncode == 5
    assert f"port {port} is already taken" in second.stderr
