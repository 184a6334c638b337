"""CreateAcls, DescribeAcls and DeleteAcls over the wire, one conversation (item 90)."""

import pytest

from data_plane.broker.admin_access import ClusterAuthorizationFailed
from data_plane.broker.handlers import create_acls, delete_acls
from data_plane.protocol.errors import ErrorCode, InvalidRequest, NotController
from data_plane.protocol.messages.create_acls import (
    CreateAclsRequest,
    CreateAclsRequestCreation,
)
from data_plane.protocol.messages.delete_acls import (
    DeleteAclsRequest,
    DeleteAclsRequestFilter,
)
from data_plane.protocol.messages.describe_acls import DescribeAclsRequest
from data_plane.security.acls import AclOperation, AclPermission, PatternType, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn


def creation(name: str, pattern: PatternType, operation: int) -> CreateAclsRequestCreation:
    return CreateAclsRequestCreation(
        ResourceType.TOPIC, name, pattern, ALICE, "*", operation, AclPermission.ALLOW
    )


READ_ALL = creation("*", PatternType.LITERAL, AclOperation.READ)
WRITE_MINE = creation("my-", PatternType.PREFIXED, AclOperation.WRITE)
DESCRIBE_ONE = creation("one", PatternType.LITERAL, AclOperation.DESCRIBE)
READ_ONE = creation("one", PatternType.LITERAL, AclOperation.READ)


@pytest.fixture
def broker() -> StandIn:
    made = StandIn()
    request = CreateAclsRequest([READ_ALL, WRITE_MINE, DESCRIBE_ONE, READ_ONE])
    assert [row.error_code for row in made.ask(request, 3).results] == [0] * 4
    return made


@pytest.mark.parametrize("version", [1, 2, 3])
def test_item_90_what_was_created_is_described_by_resource(broker: StandIn, version: int) -> None:
    everything = DescribeAclsRequest(pattern_type_filter=PatternType.ANY)
    told = broker.ask(everything, version)
    assert told.error_code == 0
    assert [(row.resource_name, row.pattern_type, len(row.acls)) for row in told.resources] == [
        ("*", PatternType.LITERAL, 1),
        ("my-", PatternType.PREFIXED, 1),
        ("one", PatternType.LITERAL, 2),
    ]
    assert {acl.principal for row in told.resources for acl in row.acls} == {ALICE}


def test_item_90_what_was_created_counts_at_once(broker: StandIn) -> None:
    allows = broker.authorizer.allows
    assert allows(ALICE, AclOperation.READ, ResourceType.TOPIC, "any")
    assert allows(ALICE, AclOperation.WRITE, ResourceType.TOPIC, "my-topic")
    assert not allows(ALICE, AclOperation.WRITE, ResourceType.TOPIC, "any")


@pytest.mark.semantics("90h")
def test_item_90_match_finds_what_would_apply(broker: StandIn) -> None:
    request = DescribeAclsRequest(
        ResourceType.TOPIC, "my-topic", pattern_type_filter=PatternType.MATCH
    )
    assert [row.resource_name for row in broker.ask(request, 3).resources] == ["*", "my-"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_item_90_delete_tells_what_went(broker: StandIn, version: int) -> None:
    one = DeleteAclsRequestFilter(ResourceType.TOPIC, "one")
    none = DeleteAclsRequestFilter(ResourceType.GROUP, "one")
    invalid = DeleteAclsRequestFilter(operation=AclOperation.UNKNOWN)
    results = broker.ask(DeleteAclsRequest([one, none, invalid]), version).filter_results
    assert [result.error_code for result in results] == [0, 0, ErrorCode.INVALID_REQUEST]
    assert {acl.operation for acl in results[0].matching_acls} == {
        AclOperation.DESCRIBE,
        AclOperation.READ,
    }
    assert not results[1].matching_acls
    assert len(broker.image.acls) == 2


def test_an_invalid_filter_is_an_invalid_request(broker: StandIn) -> None:
    with pytest.raises(InvalidRequest):
        broker.ask(DescribeAclsRequest(resource_type_filter=0), 3)


def test_item_91_alter_and_describe_on_the_cluster_are_needed(broker: StandIn) -> None:
    change = [CreateAclsRequest([READ_ALL]), DeleteAclsRequest([DeleteAclsRequestFilter()])]
    for request in [*change, DescribeAclsRequest()]:
        with pytest.raises(ClusterAuthorizationFailed):
            broker.ask(request, 3, principal=ALICE)
    broker.allow_cluster(AclOperation.ALTER)  # implies DESCRIBE
    assert broker.ask(DescribeAclsRequest(), 3, principal=ALICE).resources
    assert broker.ask(change[0], 3, principal=ALICE).results[0].error_code == 0


def test_an_error_of_the_whole_request_is_told_in_each_row() -> None:
    created = create_acls.error_response(CreateAclsRequest([READ_ALL] * 2), NotController())
    assert [row.error_code for row in created.results] == [ErrorCode.NOT_CONTROLLER] * 2
    filters = [DeleteAclsRequestFilter()] * 2
    deleted = delete_acls.error_response(DeleteAclsRequest(filters), NotController())
    assert [row.error_code for row in deleted.filter_results] == [ErrorCode.NOT_CONTROLLER] * 2
