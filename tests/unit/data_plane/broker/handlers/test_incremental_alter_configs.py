"""IncrementalAlterConfigs over the wire."""

import pytest

from data_plane.broker.handlers import incremental_alter_configs
from data_plane.protocol.errors import ErrorCode, NotController
from data_plane.protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn

TOPIC, BROKER = 2, 4


def asked(*resources: tuple[int, str, str, str]) -> IncrementalAlterConfigsRequest:
    return IncrementalAlterConfigsRequest(
        [
            IncrementalAlterConfigsRequestResource(
                kind, name, [IncrementalAlterConfigsRequestConfig(key, 0, value)]
            )
            for kind, name, key, value in resources
        ]
    )


TOPIC_CHANGE = (TOPIC, "a", "retention.ms", "7")
BROKER_CHANGE = (BROKER, "", "log.retention.ms", "8")


@pytest.mark.parametrize("version", incremental_alter_configs.VERSIONS)
def test_every_version_changes_topics_and_brokers(version: int) -> None:
    broker = StandIn()
    broker.create("a")
    bad = (TOPIC, "zz", "retention.ms", "7")
    rows = broker.ask(asked(TOPIC_CHANGE, BROKER_CHANGE, bad), version).responses
    assert [(row.resource_type, row.resource_name, row.error_code) for row in rows] == [
        (TOPIC, "a", 0),
        (BROKER, "", 0),
        (TOPIC, "zz", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert broker.image.topic_configs("a") == {"retention.ms": "7"}
    assert broker.image.broker_configs(None) == {"log.retention.ms": "8"}


def test_item_91_alter_configs_is_needed_on_topic_and_cluster() -> None:
    broker = StandIn()
    broker.create("a")
    request = asked(TOPIC_CHANGE, BROKER_CHANGE)
    rows = broker.ask(request, 1, principal=ALICE).responses
    assert [row.error_code for row in rows] == [
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ]
    broker.allow(AclOperation.ALTER_CONFIGS, "a")
    broker.allow_cluster(AclOperation.ALTER_CONFIGS)
    rows = broker.ask(request, 1, principal=ALICE).responses
    assert [row.error_code for row in rows] == [0, 0]


def test_an_error_of_the_whole_request_is_told_in_each_row() -> None:
    response = incremental_alter_configs.error_response(asked(TOPIC_CHANGE), NotController())
    (row,) = response.responses
    assert (row.error_code, row.resource_name) == (ErrorCode.NOT_CONTROLLER, "a")
