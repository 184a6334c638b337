"""The share of `make conformance ARGS="--brokers 3"` inside `make test`: wheels, and one kill."""

import threading
from collections.abc import Iterator

import pytest

from tests.conformance.client import Client
from tests.conformance.clients import client_class
from tests.conformance.cluster import ROLES, ConformanceCluster
from tests.conformance.features import FEATURES
from tests.conformance.reference import SteadyReference
from tests.conformance.world import World

QUICK = ("exactly once", "groups", "mTLS")
UNDER_KILLS = "commit, resume"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConformanceCluster]:
    started = ConformanceCluster(tmp_path_factory.mktemp("cluster"), brokers=3)
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def reference(cluster: ConformanceCluster) -> Iterator[SteadyReference]:
    client = SteadyReference(cluster.address)
    client.replicas = cluster.replicas
    yield client
    client.close()


@pytest.fixture(scope="module", params=["confluent", "kafka_python"])
def client(request: pytest.FixtureRequest, cluster: ConformanceCluster) -> Iterator[Client]:
    made = client_class(request.param)(cluster.address)
    made.replicas = cluster.replicas
    yield made
    made.close()


@pytest.mark.parametrize("feature", QUICK)
def test_a_client_has_the_feature_on_three_brokers(
    client: Client, reference: SteadyReference, cluster: ConformanceCluster, feature: str
) -> None:
    FEATURES[feature](World(client, reference, cluster.secured))


def test_a_client_outlives_the_leader_of_its_topic(
    reference: SteadyReference, cluster: ConformanceCluster
) -> None:
    """librdkafka, which alone retries whatever can be: one broker is killed while it works."""
    client = client_class("confluent")(cluster.address)
    assert {role for role in ROLES if cluster.killer.having(role)} == set(ROLES)
    victim = cluster.killer.having("leader")[0]
    killing = threading.Thread(target=cluster.killer.kill, args=(victim, "leader"))
    killing.start()
    try:
        FEATURES[UNDER_KILLS](World(client, reference, cluster.secured, is_killing=True))
    finally:
        killing.join()
        client.close()
    assert [(death.broker_id, death.role) for death in cluster.deaths] == [(victim, "leader")]
    assert cluster.deaths[0].t0 < cluster.deaths[0].t1
