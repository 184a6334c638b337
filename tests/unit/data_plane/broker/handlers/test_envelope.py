"""A forwarded request has the rights of who asked, and none of the brokers that pass it on."""

from typing import Any

import pytest

from data_plane.broker.forwarding import FORWARDED, ForwardedFor
from data_plane.broker.loopback import BROKER_PRINCIPAL, internal_session
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    read_response_header,
)
from data_plane.protocol.messages.envelope import EnvelopeRequest
from data_plane.protocol.schema import decode, encode
from data_plane.security.acls import AclAuthorizer
from data_plane.security.principals import ANONYMOUS
from tests.unit.data_plane.broker.acl_table import TABLE, Row
from tests.unit.data_plane.broker.test_acl_matrix import (
    ALICE,
    AUTHORIZATION_CODES,
    HOST,
    codes_in,
    world_of,
)
from tests.unit.data_plane.broker.world import World

OFFSET_BYTES = 8  # of the metadata, before the response that the envelope carries
ROWS = [row for row in TABLE if row.key in FORWARDED and row.needs]


def forwarded(world: World, row: Row, principal: str, listener: str = "PLAINTEXT") -> Any:
    """What a client is told whose broker is not the controller's."""
    header = RequestHeader(row.key, row.version, 3, "client")
    frame = encode_request_header(header) + encode(row.request(), row.version)
    about = encode(ForwardedFor(principal, listener, broker_id=1, life=5, number=9), 0)
    world.session = internal_session()
    asked = world.ask(EnvelopeRequest(frame, about, HOST.encode()), 0)
    world.settle()
    response = asked.response()
    assert not response.error_code
    whole = response.response_data[OFFSET_BYTES:]
    _, at = read_response_header(row.key, row.version, whole)
    return decode(API_KEYS[row.key].response, row.version, whole[at:])


def refusals(response: Any) -> set[ErrorCode]:
    return AUTHORIZATION_CODES & set(codes_in(response))


def test_every_api_that_is_forwarded_is_asked_here() -> None:
    assert {row.key for row in ROWS} == FORWARDED


@pytest.mark.parametrize("listener", ["PLAINTEXT", "INTERNAL"])
@pytest.mark.parametrize("principal", [ALICE, BROKER_PRINCIPAL])
@pytest.mark.parametrize("row", ROWS, ids=[row.label for row in ROWS])
def test_who_may_nothing_may_nothing_through_another_broker(
    row: Row, principal: str, listener: str
) -> None:
    """Not even under the name that brokers have among themselves."""
    world = world_of(row)
    world.broker.authorizer = AclAuthorizer((), super_users={ANONYMOUS})
    response = forwarded(world, row, principal, listener)
    if row.shown is not None:
        assert not set(row.shown(response)) & {need.name for need in row.needs}
    else:
        assert refusals(response)


@pytest.mark.parametrize("row", ROWS, ids=[row.label for row in ROWS])
def test_who_may_do_all_may_do_all_through_another_broker(row: Row) -> None:
    world = world_of(row)
    world.broker.authorizer = AclAuthorizer((), super_users={ALICE, ANONYMOUS})
    assert not refusals(forwarded(world, row, ALICE))


@pytest.mark.parametrize("key", [0, 1, 56, 58, 67])
def test_only_what_controllers_decide_is_taken_out_of_an_envelope(key: int) -> None:
    """Else a client could have a broker ask for it what only brokers may."""
    world = World()
    version = API_KEYS[key].versions[-1]
    frame = encode_request_header(RequestHeader(key, version, 3, "client")) + bytes(64)
    about = encode(ForwardedFor(ALICE, "PLAINTEXT", broker_id=1, life=5, number=9), 0)
    world.session = internal_session()
    response = world.ask(EnvelopeRequest(frame, about, HOST.encode()), 0).response()
    assert response.error_code == ErrorCode.INVALID_REQUEST
