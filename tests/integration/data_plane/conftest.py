"""Real broker processes for the tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.data_plane.broker_process import BrokerProcess

Starter = Callable[..., BrokerProcess]


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[Starter]:
    """Start brokers on `tmp_path/data` (or another --data-dir); all end with the test."""
    started: list[BrokerProcess] = []

    def begin(*arguments: str, data_dir: Path | None = None, port: int = 0) -> BrokerProcess:
        directory = str(data_dir or tmp_path / "data")
        broker = BrokerProcess("--data-dir", directory, *arguments, port=port)
        started.append(broker)
        return broker

    yield begin
    for broker in started:
        if broker.process.poll() is None:
            broker.kill()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker for the tests of a module that leave it as they found it."""
    directory = tmp_path_factory.mktemp("broker") / "data"
    running = BrokerProcess("--data-dir", str(directory), "--auto-create-topics")
    yield running
    assert running.stop() == 0
