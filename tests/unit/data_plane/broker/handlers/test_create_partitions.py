"""CreatePartitions over the wire."""

import pytest

from data_plane.broker.handlers import create_partitions
from data_plane.protocol.errors import ErrorCode, NotController
from data_plane.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsRequestTopic,
)
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn, codes_by_name


def asked(count: int, *names: str, validate_only: bool = False) -> CreatePartitionsRequest:
    topics = [CreatePartitionsRequestTopic(name, count) for name in names]
    return CreatePartitionsRequest(topics, validate_only=validate_only)


@pytest.mark.parametrize("version", create_partitions.VERSIONS)
def test_every_version_grows_topics(version: int) -> None:
    broker = StandIn()
    broker.create("a")
    rows = broker.ask(asked(3, "a", "zz"), version).results
    assert codes_by_name(rows) == {"a": 0, "zz": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert len(broker.image.topics["a"].partitions) == 3


def test_validate_only_changes_nothing() -> None:
    broker = StandIn()
    broker.create("a")
    assert codes_by_name(broker.ask(asked(3, "a", validate_only=True), 3).results) == {"a": 0}
    assert len(broker.image.topics["a"].partitions) == 1


def test_item_91_alter_is_needed() -> None:
    broker = StandIn()
    broker.create("a", "b")
    broker.allow(AclOperation.ALTER, "a")
    rows = broker.ask(asked(2, "a", "b"), 3, principal=ALICE).results
    assert codes_by_name(rows) == {"a": 0, "b": ErrorCode.TOPIC_AUTHORIZATION_FAILED}


def test_an_error_of_the_whole_request_is_told_in_each_row() -> None:
    response = create_partitions.error_response(asked(2, "a"), NotController())
    assert codes_by_name(response.results) == {"a": ErrorCode.NOT_CONTROLLER}
