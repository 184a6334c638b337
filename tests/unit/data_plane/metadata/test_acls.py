"""CreateAcls and DeleteAcls decided (item 90)."""

import dataclasses

import pytest

from data_plane.metadata.acls import decide_create_acls, decide_delete_acls
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.create_acls import CreateAclsRequestCreation
from data_plane.security.acls import AclFilter, AclOperation, AclPermission, ResourceType
from tests.unit.data_plane.metadata.worlds import Ids, after, cluster, codes

GOOD = CreateAclsRequestCreation(
    ResourceType.TOPIC, "flights", 3, "User:a", "*", AclOperation.READ, AclPermission.ALLOW
)
EVERYTHING = AclFilter(1, None, 1, None, None, 1, 1)


def added(image: MetadataImage, *creations: CreateAclsRequestCreation) -> MetadataImage:
    return after(image, decide_create_acls(image, creations, new_id=Ids()))


def test_a_binding_is_added_once() -> None:
    image = added(cluster(), GOOD, GOOD)
    assert len(image.acls) == 1
    again = decide_create_acls(image, [GOOD], new_id=Ids())
    assert codes(again.response) == [0]
    assert not again.records


@pytest.mark.parametrize(
    "changes",
    [
        {"resource_pattern_type": 0},
        {"resource_pattern_type": 1},
        {"resource_pattern_type": 2},
        {"resource_pattern_type": 9},
        {"resource_type": 0},
        {"resource_type": 1},
        {"resource_type": 99},
        {"permission_type": 0},
        {"permission_type": 1},
        {"operation": 0},
        {"operation": 1},
        {"operation": 99},
        {"resource_name": ""},
        {"resource_type": ResourceType.CLUSTER, "operation": AclOperation.ALTER},
        {"host": ""},
        {"principal": ""},
        {"principal": "a"},
        {"principal": "User:"},
        {"principal": "Group:a"},
    ],
)
def test_bindings_that_name_nothing_are_refused(changes: dict[str, object]) -> None:
    bad = dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]  # made up by the test
    decision = decide_create_acls(cluster(), [bad, GOOD], new_id=Ids())
    assert codes(decision.response) == [ErrorCode.INVALID_REQUEST, 0]
    assert decision.response[0].error_message
    assert len(decision.records) == 1


def test_an_operation_its_resource_never_asks_for_is_stored_as_in_kafka() -> None:
    """Heroku's published policy grants WRITE on groups; no request ever asks for that."""
    of_group = dataclasses.replace(
        GOOD, resource_type=ResourceType.GROUP, operation=AclOperation.WRITE
    )
    decision = decide_create_acls(cluster(), [of_group], new_id=Ids())
    assert codes(decision.response) == [0]
    assert len(decision.records) == 1


def test_delete_lists_a_binding_under_each_filter_and_removes_it_once() -> None:
    other = dataclasses.replace(GOOD, principal="User:b")
    image = added(cluster(), GOOD, other)
    only_b = dataclasses.replace(EVERYTHING, principal="User:b")
    decision = decide_delete_acls(image, [only_b, EVERYTHING])
    first, second = decision.response
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert [entry.principal for entry in first] == ["User:b"]
    assert [entry.principal for entry in second] == ["User:a", "User:b"]
    assert len(decision.records) == 2
    assert not after(image, decision).acls


def test_an_invalid_filter_is_refused_beside_good_ones() -> None:
    image = added(cluster(), GOOD)
    unknown = dataclasses.replace(EVERYTHING, operation=0)
    bad, good = decide_delete_acls(image, [unknown, EVERYTHING]).response
    assert isinstance(bad, KafkaError)
    assert bad.code == ErrorCode.INVALID_REQUEST
    assert isinstance(good, list)
    assert len(good) == 1
