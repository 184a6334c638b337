"""AlterConfigs: exactly the keys given remain; nothing else about it differs from its successor."""

from data_plane.metadata.image import BROKER_RESOURCE, TOPIC_RESOURCE
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsRequestConfig,
    AlterConfigsRequestResource,
)
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, ALICE, StandIn


def alter(
    broker: StandIn,
    name: str = "flights",
    *,
    kind: int = TOPIC_RESOURCE,
    principal: str = ADMIN,
    validate_only: bool = False,
    **configs: str | None,
) -> int:
    rows = [
        AlterConfigsRequestConfig(key.replace("_", "."), value) for key, value in configs.items()
    ]
    request = AlterConfigsRequest([AlterConfigsRequestResource(kind, name, rows)], validate_only)
    (row,) = broker.ask(request, 2, principal=principal).responses
    assert (row.resource_type, row.resource_name) == (kind, name)
    code: int = row.error_code
    return code


def flights() -> StandIn:
    broker = StandIn()
    broker.create("flights")
    assert alter(broker, retention_ms="1000", cleanup_policy="compact") == 0
    return broker


def test_keys_that_are_not_named_are_taken_back() -> None:
    broker = flights()
    assert alter(broker, retention_ms="2000", segment_ms="9") == 0
    assert broker.image.topic_configs("flights") == {"retention.ms": "2000", "segment.ms": "9"}
    assert alter(broker) == 0
    assert not broker.image.topic_configs("flights")


def test_a_refused_request_changes_nothing() -> None:
    broker = flights()
    before = broker.image.topic_configs("flights")
    assert alter(broker, retention_ms="soon") == ErrorCode.INVALID_CONFIG
    assert alter(broker, no_such="1") == ErrorCode.INVALID_CONFIG
    assert alter(broker, retention_ms=None) == ErrorCode.INVALID_REQUEST
    assert alter(broker, validate_only=True, segment_ms="9") == 0
    assert alter(broker, principal=ALICE) == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert alter(broker, "nothing") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert broker.image.topic_configs("flights") == before


def test_brokers_are_the_clusters_business() -> None:
    broker = StandIn()
    refused = alter(broker, "1", kind=BROKER_RESOURCE, principal=ALICE)
    assert refused == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert alter(broker, "", kind=BROKER_RESOURCE, log_retention_ms="5000") == 0
    assert broker.image.broker_configs(None) == {"log.retention.ms": "5000"}
    assert alter(broker, "1", kind=BROKER_RESOURCE, broker_id="7") == ErrorCode.INVALID_REQUEST
