"""kill -9 of each process of a running service: it comes back, and nothing is lost."""

import os
import signal

import psutil
import pytest

from tests.conftest import wait_for
from tests.e2e.service import ServiceUnderTest, processes_of

pytestmark = pytest.mark.timeout(240)


def provision(service: ServiceUnderTest) -> None:
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")
    service.ottla("kafka:topics:create", "orders", "--partitions", "1")
    service.ottla("kafka:topics:write", "orders", "before")


def values(service: ServiceUnderTest, count: int) -> list[str]:
    tail = service.run("kafka:topics:tail", "orders", "--from-beginning", "--max", str(count))
    assert tail.returncode == 0, tail.stderr
    return [line.split(" ", 3)[3] for line in tail.stdout.splitlines()]


def test_each_killed_program_comes_back(service: ServiceUnderTest) -> None:
    provision(service)
    for name in ("worker", "beat", "agent", "valkey", "api", "postgres"):
        before = service.state.programs[name]
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        wait_for(
            lambda name=name, before=before: (  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                service.state.programs[name].restarts == before.restarts + 1
            ),
            f"{name} again",
        )
        wait_for(service.answers, "the API", 60)  # started is not yet ready
        topic = service.ottla("kafka:topics:create", f"after-{name}", "--timeout", "60")
        assert topic["name"] == f"after-{name}"
    assert values(service, 1) == ["before"]
    assert service.stop() == 0
    assert processes_of(service.data) == []


def test_a_killed_broker_comes_back_with_every_record(service: ServiceUnderTest) -> None:
    provision(service)
    (broker,) = service.brokers()
    broker.kill()
    wait_for(lambda: [p.pid for p in service.brokers()] not in ([], [broker.pid]), "a new broker")
    service.ottla("kafka:topics:write", "orders", "after")
    assert values(service, 2) == ["before", "after"]


def test_brokers_outlive_the_supervisor_and_are_adopted(service: ServiceUnderTest) -> None:
    provision(service)
    config = service.ottla("config")
    (broker,) = service.brokers()
    programs = [p.pid for p in service.state.programs.values() if p.pid]
    assert service.process is not None
    service.process.kill()
    service.process.wait()
    wait_for(lambda: not [p for p in programs if psutil.pid_exists(p)], "the programs' end")
    assert [p.pid for p in service.brokers()] == [broker.pid]
    assert produce_one(config) == 1  # the second record: the broker serves without its makers

    service.up()
    assert [p.pid for p in service.brokers()] == [broker.pid]
    assert values(service, 2) == ["before", "alone"]
    assert service.stop() == 0
    assert processes_of(service.data) == []


def test_down_stops_brokers_that_a_killed_supervisor_left(service: ServiceUnderTest) -> None:
    provision(service)
    assert service.process is not None
    service.process.kill()
    service.process.wait()
    assert len(service.brokers()) == 1
    done = service.run("down", "--data-dir", str(service.data))
    assert done.returncode == 0, done.stderr
    assert processes_of(service.data) == []


def test_a_second_start_picks_up_where_it_was(service: ServiceUnderTest) -> None:
    provision(service)
    before = service.state.api_url
    assert service.stop() == 0
    assert processes_of(service.data) == []
    service.up()
    assert service.state.api_url == before
    wait_for(lambda: len(service.brokers()) == 1, "the broker")
    assert service.ottla("kafka:wait")["waiting?"] is False
    assert values(service, 1) == ["before"]


def produce_one(config: dict[str, str]) -> int:
    """Produce one record with the config vars alone; returns its offset."""
    from control_plane.cli.kafka_client import settings_from_config_vars, write_records

    settings = settings_from_config_vars(config)
    written = write_records(settings, "orders", iter(["alone"]), None, None)
    offset: int = written[0]["offset"]
    return offset
