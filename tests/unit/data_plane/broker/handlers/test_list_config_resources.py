"""ListConfigResources: what has configs, for whoever may see them."""

import pytest

from data_plane.metadata.records import ConfigRecord
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.list_config_resources import (
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32


def listed(version: int, *types: int) -> list[tuple[int, str]]:
    broker = StandIn()
    broker.create("b", "a")
    broker.write(ConfigRecord(GROUP, "g", "consumer.session.timeout.ms", "50000"))
    answer: ListConfigResourcesResponse = broker.ask(ListConfigResourcesRequest(types), version)
    assert answer.error_code == 0
    return [(row.resource_type, row.resource_name) for row in answer.config_resources]


def test_everything_that_has_configs() -> None:
    assert listed(1) == [(BROKER, "1"), (LOGGER, "1"), (TOPIC, "a"), (TOPIC, "b"), (GROUP, "g")]


def test_only_the_types_asked_for() -> None:
    assert listed(1, TOPIC) == [(TOPIC, "a"), (TOPIC, "b")]
    assert listed(1, GROUP, BROKER) == [(BROKER, "1"), (GROUP, "g")]
    assert listed(1, METRICS) == []


def test_the_first_version_knew_client_metrics_alone() -> None:
    assert listed(0) == []


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(KafkaError) as refused:
        StandIn().ask(ListConfigResourcesRequest((TOPIC, 3)), 1)
    assert refused.value.code == ErrorCode.UNSUPPORTED_VERSION


def test_who_may_not_describe_configs_learns_no_name() -> None:
    with pytest.raises(KafkaError) as refused:
        StandIn().ask(ListConfigResourcesRequest(), 1, principal=ALICE)
    assert refused.value.code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
