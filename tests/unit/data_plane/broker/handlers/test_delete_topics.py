"""DeleteTopics over the wire, by name and by id."""

from uuid import UUID

import pytest

from data_plane.broker.handlers import delete_topics
from data_plane.protocol.errors import ErrorCode, KafkaError, NotController
from data_plane.protocol.messages.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsRequestTopic,
)
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn, codes_by_name


def asked(*names: str, version: int = 6) -> DeleteTopicsRequest:
    if version < 6:
        return DeleteTopicsRequest(topic_names=names)
    return DeleteTopicsRequest([DeleteTopicsRequestTopic(name) for name in names])


@pytest.mark.parametrize("version", delete_topics.VERSIONS)
def test_every_version_deletes_by_name(version: int) -> None:
    broker = StandIn()
    broker.create("a", "b")
    rows = broker.ask(asked("a", "zz", version=version), version).responses
    assert codes_by_name(rows) == {"a": 0, "zz": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert list(broker.image.topics) == ["b"]


def test_by_id() -> None:
    broker = StandIn()
    broker.create("a")
    known = DeleteTopicsRequestTopic(None, broker.image.topics["a"].topic_id)
    unknown = DeleteTopicsRequestTopic(None, UUID(int=9))
    rows = broker.ask(DeleteTopicsRequest([known, unknown]), 6).responses
    assert [(row.name, row.error_code) for row in rows] == [
        ("a", 0),
        (None, ErrorCode.UNKNOWN_TOPIC_ID),
    ]


def test_item_91_delete_is_needed_and_absence_is_not_betrayed() -> None:
    broker = StandIn()
    broker.create("a", "b")
    broker.allow(AclOperation.DELETE, "a")
    rows = broker.ask(asked("a", "b", "zz"), 6, principal=ALICE).responses
    denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert codes_by_name(rows) == {"a": 0, "b": denied, "zz": denied}


def test_item_91_an_id_shows_its_name_only_with_describe() -> None:
    broker = StandIn()
    broker.create("a", "b")
    broker.allow(AclOperation.DESCRIBE, "b")
    ids = [DeleteTopicsRequestTopic(None, broker.image.topics[name].topic_id) for name in "ab"]
    rows = broker.ask(DeleteTopicsRequest(ids), 6, principal=ALICE).responses
    assert [row.name for row in rows] == [None, "b"]
    assert {row.error_code for row in rows} == {ErrorCode.TOPIC_AUTHORIZATION_FAILED}


@pytest.mark.parametrize("version", [5, 6])
def test_an_error_of_the_whole_request_is_told_in_each_row(version: int) -> None:
    response = delete_topics.error_response(asked("a", version=version), NotController())
    assert codes_by_name(response.responses) == {"a": ErrorCode.NOT_CONTROLLER}


@pytest.mark.parametrize(
    ("version", "code"),
    [(2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)],
)
def test_deletion_may_be_switched_off(version: int, code: ErrorCode) -> None:
    broker = StandIn(static_configs={"delete.topic.enable": "false"})
    broker.create("a")
    with pytest.raises(KafkaError) as told:
        broker.ask(asked("a", version=version), version)
    assert told.value.code == code
    assert broker.image.topic("a")
