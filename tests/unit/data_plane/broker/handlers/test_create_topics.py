"""CreateTopics over the wire: who may, what every version is told (item 80)."""

import pytest

from data_plane.broker.handlers import create_topics
from data_plane.protocol.errors import ErrorCode, NotController
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from data_plane.security.acls import AclOperation, PatternType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn, codes_by_name


def asked(*names: str, validate_only: bool = False) -> CreateTopicsRequest:
    topics = [CreateTopicsRequestTopic(name, 2, 1) for name in names]
    return CreateTopicsRequest(topics, validate_only=validate_only)


@pytest.mark.semantics("80d")
@pytest.mark.parametrize("version", create_topics.VERSIONS)
def test_item_80_every_version_creates_and_tells(version: int) -> None:
    broker = StandIn()
    rows = broker.ask(asked("flights", "a/b"), version).topics
    assert codes_by_name(rows) == {"flights": 0, "a/b": ErrorCode.INVALID_TOPIC_EXCEPTION}
    topic = broker.image.topics["flights"]
    assert len(topic.partitions) == 2
    if version >= 1:
        assert rows[1].error_message
    if version >= 5:
        assert (rows[0].num_partitions, rows[0].replication_factor) == (2, 1)
        assert {row.name: row.value for row in rows[0].configs}["cleanup.policy"] == "delete"
    if version >= 7:
        assert rows[0].topic_id == topic.topic_id


@pytest.mark.semantics("80c")
def test_item_80_validate_only() -> None:
    broker = StandIn()
    (row,) = broker.ask(asked("flights", validate_only=True), 5).topics
    assert (row.error_code, row.num_partitions) == (0, 2)
    assert not broker.image.topics


@pytest.mark.semantics("80h")
def test_item_80_minus_one_takes_static_settings() -> None:
    broker = StandIn(default_partitions=6)
    (row,) = broker.ask(CreateTopicsRequest([CreateTopicsRequestTopic("a")]), 7).topics
    assert row.num_partitions == 6


def test_item_91_create_on_the_topic_or_on_the_cluster_is_needed() -> None:
    broker = StandIn()
    broker.allow(AclOperation.CREATE, "my-", pattern=PatternType.PREFIXED)
    rows = broker.ask(asked("my-a", "a"), 7, principal=ALICE).topics
    assert codes_by_name(rows) == {"my-a": 0, "a": ErrorCode.TOPIC_AUTHORIZATION_FAILED}
    broker.allow_cluster(AclOperation.CREATE)
    assert codes_by_name(broker.ask(asked("a"), 7, principal=ALICE).topics) == {"a": 0}


def test_an_existing_topic_is_not_betrayed_to_those_who_may_not_create() -> None:
    broker = StandIn()
    broker.create("a")
    rows = broker.ask(asked("a"), 7, principal=ALICE).topics
    assert codes_by_name(rows) == {"a": ErrorCode.TOPIC_AUTHORIZATION_FAILED}


def test_configs_are_told_only_with_describe_configs() -> None:
    broker = StandIn()
    broker.allow_cluster(AclOperation.CREATE)
    (row,) = broker.ask(asked("a"), 7, principal=ALICE).topics
    assert row.configs is None
    assert row.topic_config_error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    broker.allow(AclOperation.DESCRIBE_CONFIGS, "b")
    (row,) = broker.ask(asked("b"), 7, principal=ALICE).topics
    assert row.configs


def test_topics_of_the_coordinators_are_not_for_clients_to_create() -> None:
    (row,) = StandIn().ask(asked("__consumer_offsets"), 7).topics
    assert row.error_code == ErrorCode.INVALID_REQUEST


def test_an_error_of_the_whole_request_is_told_in_each_row() -> None:
    response = create_topics.error_response(asked("a", "b"), NotController())
    assert codes_by_name(response.topics) == dict.fromkeys("ab", ErrorCode.NOT_CONTROLLER)
