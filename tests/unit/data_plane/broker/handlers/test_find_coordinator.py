"""FindCoordinator: one key before v4, several from then on; each with its own error."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.find_coordinator import (
    SHARE,
    TRANSACTION,
    FindCoordinatorRequest,
)
from data_plane.security.acls import AclOperation, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE
from tests.unit.data_plane.broker.handlers.group_broker import GroupStandIn


@pytest.mark.parametrize("version", range(4))
def test_one_key(version: int) -> None:
    answer = GroupStandIn().send(FindCoordinatorRequest(key="g"), version)
    assert (answer.error_code, answer.node_id) == (ErrorCode.NONE, 1)
    assert answer.host == "tls.test", "the address of the listener the client came by"


@pytest.mark.semantics("63b")
@pytest.mark.parametrize("version", [4, 5])
def test_several_keys(version: int) -> None:
    broker = GroupStandIn()
    broker.allow(AclOperation.DESCRIBE, "g", kind=ResourceType.GROUP)
    request = FindCoordinatorRequest(coordinator_keys=["g", "hidden"])
    found, refused = broker.send(request, version, principal=ALICE).coordinators
    assert (found.key, found.error_code, found.node_id) == ("g", ErrorCode.NONE, 1)
    assert refused.error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED
    assert (refused.node_id, refused.host, refused.port) == (-1, "", -1)


@pytest.mark.semantics("63c")
@pytest.mark.parametrize("version", [0, 3])
def test_ask_again_while_the_offsets_topic_is_being_created(version: int) -> None:
    broker = GroupStandIn()
    broker.is_created = False
    answer = broker.send(FindCoordinatorRequest(key="g"), version)
    assert answer.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert answer.node_id == -1


@pytest.mark.parametrize("key_type", [SHARE, 9])
def test_what_is_not_offered_is_refused_for_good(key_type: int) -> None:
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=["x"])
    (row,) = GroupStandIn().send(request, 5).coordinators
    assert row.error_code == ErrorCode.INVALID_REQUEST
    assert not ErrorCode.INVALID_REQUEST.is_retriable


@pytest.mark.semantics("65a")
def test_transactional_ids_have_a_coordinator_and_acls_of_their_own() -> None:
    broker = GroupStandIn()
    request = FindCoordinatorRequest(key_type=TRANSACTION, coordinator_keys=["x"])
    (row,) = broker.send(request, 5).coordinators
    assert (row.error_code, row.node_id, row.host) == (ErrorCode.NONE, 1, "tls.test")
    (row,) = broker.send(request, 5, principal=ALICE).coordinators
    assert row.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    broker.allow(AclOperation.DESCRIBE, "x", kind=ResourceType.TRANSACTIONAL_ID)
    (row,) = broker.send(request, 5, principal=ALICE).coordinators
    assert row.error_code == ErrorCode.NONE
