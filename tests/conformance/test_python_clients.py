"""The share of `make conformance` that needs nothing but wheels, inside `make test`."""

from collections.abc import Iterator

import pytest

from tests.conformance.client import Client
from tests.conformance.clients import client_class
from tests.conformance.clients.confluent import ConfluentClient
from tests.conformance.features import FEATURES
from tests.conformance.world import World
from tests.integration.data_plane.broker_process import BrokerProcess

QUICK = ("zstd", "keys, headers, nulls", "1 MB", "commit inside", "exactly once", "delete records")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConfluentClient]:
    """A broker, and librdkafka on it."""
    directory = tmp_path_factory.mktemp("broker") / "data"
    broker = BrokerProcess("--data-dir", str(directory))
    client = ConfluentClient(broker.address)
    yield client
    client.close()
    assert broker.stop() == 0


@pytest.fixture(scope="module", params=["confluent", "kafka_python", "aiokafka"])
def client(request: pytest.FixtureRequest, reference: ConfluentClient) -> Iterator[Client]:
    made = client_class(request.param)(reference.address)
    yield made
    made.close()


@pytest.mark.parametrize("feature", QUICK)
def test_a_client_has_the_feature(client: Client, reference: Client, feature: str) -> None:
    FEATURES[feature](World(client, reference))
