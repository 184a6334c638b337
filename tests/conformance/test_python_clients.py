"""The share of `make conformance` that needs nothing but wheels, inside `make test`."""

from collections.abc import Iterator

import pytest

from tests.conformance.broker import ConformanceBroker
from tests.conformance.client import Client
from tests.conformance.clients import client_class
from tests.conformance.clients.confluent import ConfluentClient
from tests.conformance.features import FEATURES
from tests.conformance.world import World

QUICK = ("zstd", "keys, headers, nulls", "1 MB", "commit inside", "exactly once", "delete records")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConformanceBroker]:
    started = ConformanceBroker(tmp_path_factory.mktemp("broker"))
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def reference(broker: ConformanceBroker) -> Iterator[ConfluentClient]:
    client = ConfluentClient(broker.address)
    yield client
    client.close()


@pytest.fixture(scope="module", params=["confluent", "kafka_python", "aiokafka"])
def client(request: pytest.FixtureRequest, reference: ConfluentClient) -> Iterator[Client]:
    made = client_class(request.param)(reference.address)
    yield made
    made.close()


@pytest.mark.parametrize("feature", QUICK)
def test_a_client_has_the_feature(
    client: Client, reference: Client, broker: ConformanceBroker, feature: str
) -> None:
    FEATURES[feature](World(client, reference, broker.secured))
