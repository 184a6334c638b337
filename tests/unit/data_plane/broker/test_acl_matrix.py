"""S1: every API × operation × way of granting, against Kafka's published table (acl_table.py).

For each need of each API, each operation of its resource type is granted in each way below, every
other need being met. The answer must be the one that the table gives: thousands of cases, each a
request dispatched to a whole broker. Which operation implies which is written out here anew.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from data_plane.broker.handlers import HANDLERS
from data_plane.protocol.api_keys import INTERNAL_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.security.acls import (
    SUPPORTED_OPERATIONS,
    AclAuthorizer,
    AclOperation,
    AclPermission,
    PatternType,
    ResourceType,
)
from data_plane.security.principals import ANONYMOUS
from tests.unit.data_plane.broker.acl_table import GROUP, PAYER, TABLE, TOPIC, Need, Row
from tests.unit.data_plane.broker.world import World

ALICE, EVE, HOST = "User:CN=alice,O=c1", "User:CN=eve,O=c1", "10.0.0.9"
LITERAL, PREFIXED = PatternType.LITERAL, PatternType.PREFIXED
ALLOW, DENY = AclPermission.ALLOW, AclPermission.DENY
OFFSET_DELETE = 47
NO_NEEDS = {17, 18, 36}  # What clients ask before they have proved who they are.
AUTHORIZATION_CODES = {
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


class Binding(NamedTuple):
    """One ACL, as the authorizer reads it."""

    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


class Way(NamedTuple):
    """How a grant is written; `{}` in a name is the resource's own, `{:3}` its beginning."""

    label: str
    grants: bool
    bindings: tuple[tuple[AclPermission, str, PatternType, str, str], ...]


WAYS = (
    Way("none", False, ()),
    Way("literal", True, ((ALLOW, "{}", LITERAL, ALICE, "*"),)),
    Way("prefixed", True, ((ALLOW, "{:.3}", PREFIXED, ALICE, "*"),)),
    Way("whole name as prefix", True, ((ALLOW, "{}", PREFIXED, ALICE, "*"),)),
    Way("wildcard", True, ((ALLOW, "*", LITERAL, ALICE, "*"),)),
    Way("everybody", True, ((ALLOW, "{}", LITERAL, "User:*", "*"),)),
    Way("own host", True, ((ALLOW, "{}", LITERAL, ALICE, HOST),)),
    Way("other host", False, ((ALLOW, "{}", LITERAL, ALICE, "10.0.0.8"),)),
    Way("other name", False, ((ALLOW, "other", LITERAL, ALICE, "*"),)),
    Way("beginning as literal", False, ((ALLOW, "{:.3}", LITERAL, ALICE, "*"),)),
    Way("longer prefix", False, ((ALLOW, "{}-", PREFIXED, ALICE, "*"),)),
    Way("other principal", False, ((ALLOW, "{}", LITERAL, EVE, "*"),)),
    Way(
        "literal deny over wildcard allow",
        False,
        ((ALLOW, "*", LITERAL, ALICE, "*"), (DENY, "{}", LITERAL, ALICE, "*")),
    ),
    Way(
        "prefixed deny over literal allow",
        False,
        ((ALLOW, "{}", LITERAL, ALICE, "*"), (DENY, "{:.3}", PREFIXED, ALICE, "*")),
    ),
    Way(
        "wildcard deny of everybody over literal allow",
        False,
        ((ALLOW, "{}", LITERAL, ALICE, "*"), (DENY, "*", LITERAL, "User:*", "*")),
    ),
    Way(
        "deny of the host over allow",
        False,
        ((ALLOW, "{}", LITERAL, ALICE, "*"), (DENY, "{}", LITERAL, ALICE, HOST)),
    ),
    Way(
        "deny of another host",
        True,
        ((ALLOW, "{}", LITERAL, ALICE, "*"), (DENY, "{}", LITERAL, ALICE, "10.0.0.8")),
    ),
)
# A cluster has one name, to which these say nothing, and "*" and prefixes cannot be bound to it.
CLUSTER_WAYS = tuple(
    way for way in WAYS if not any(pattern is PREFIXED for _, _, pattern, _, _ in way.bindings)
)
ANY_TOPIC = "InitProducerId by any topic"
# KIP-679: another topic than the one of the table will do, and all but one is still some.
ENOUGH_FOR_ANY = frozenset(
    {"other name", "beginning as literal", "longer prefix", "literal deny over wildcard allow"}
)
IMPLYING = {
    AclOperation.DESCRIBE: {
        AclOperation.READ,
        AclOperation.WRITE,
        AclOperation.DELETE,
        AclOperation.ALTER,
    },
    AclOperation.DESCRIBE_CONFIGS: {AclOperation.ALTER_CONFIGS},
}


def world_of(row: Row) -> World:
    """A broker with the topic, the group and, for those who list them, the transactional id."""
    world = World()
    world.create_topic(TOPIC)
    world.settle()
    labels = ["FindCoordinator of a group", "OffsetCommit"]
    if row.label in ("ListTransactions", "TxnOffsetCommit"):
        labels += ["FindCoordinator of a transactional id", "InitProducerId of a transactional id"]
        labels += ["AddOffsetsToTxn"] if row.label == "TxnOffsetCommit" else []
    for label in labels:
        prepare(world, label)
    world.session.principal = ALICE
    world.session.client_host = HOST
    return world


def prepare(world: World, label: str) -> None:
    """Have the super user do what another row asks."""
    row = next(each for each in TABLE if each.label == label)
    principal, world.session.principal = world.session.principal, ANONYMOUS
    world.ask(row.request(), row.version)
    world.settle()
    world.session.principal = principal


def bindings(
    need: Need, operation: AclOperation, way: Way, others: tuple[Need, ...]
) -> Iterator[Binding]:
    for permission, name, pattern, principal, host in way.bindings:
        # A deny speaks of what is needed: that is what deny over allow means.
        said = need.operation if permission is DENY else operation
        yield Binding(need.kind, name.format(need.name), pattern, principal, host, said, permission)
    for other in others:
        yield Binding(other.kind, other.name, LITERAL, ALICE, "*", other.operation, ALLOW)


def codes_in(value: Any) -> Iterator[int]:
    """Every error code anywhere in a response."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from codes_in(each)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name.endswith("error_code"):
                yield getattr(value, field.name)
            else:
                yield from codes_in(getattr(value, field.name))


def is_allowed(world: World, row: Row, need: Need) -> bool:
    """Ask; True if nothing in the answer says or shows that it was refused."""
    if row.key == OFFSET_DELETE:  # Without offsets the group is gone, which is told first.
        prepare(world, "OffsetCommit")
    asked = world.ask(row.request(), row.version)
    world.executor.run()
    if not asked.is_answered:
        return True  # It waits for something, so it was let in.
    response = asked.response()
    refusals = AUTHORIZATION_CODES & set(codes_in(response))
    if row.shown is not None:
        assert not refusals, "what may not be seen is hidden, not refused"
        return need.name in row.shown(response) or (
            need.kind is ResourceType.CLUSTER and GROUP in row.shown(response)
        )
    assert refusals <= {need.code}, f"told by {refusals} instead of {need.code}"
    return not refusals


CASES = [(row, need) for row in TABLE for need in row.needs]


@pytest.mark.semantics("91c", "91d", "91e")
@pytest.mark.parametrize(
    ("row", "need"), CASES, ids=[f"{row.label}: {need.kind.name}" for row, need in CASES]
)
def test_the_answer_is_the_one_of_the_table(row: Row, need: Need) -> None:
    world = world_of(row)
    others = tuple(other for other in row.needs if other is not need)
    operations = sorted(SUPPORTED_OPERATIONS[need.kind] | {AclOperation.ALL})
    granting = {need.operation, AclOperation.ALL, *IMPLYING.get(need.operation, ())}
    wrong = []
    for way in CLUSTER_WAYS if need.kind is ResourceType.CLUSTER else WAYS:
        for operation in operations:
            is_all_of_several = bool(need.also) and operation is AclOperation.ALL
            if operation in need.also or is_all_of_several:
                continue
            entries = list(bindings(need, operation, way, others))
            world.broker.authorizer = AclAuthorizer(entries, super_users={ANONYMOUS})
            is_enough = way.grants or (row.label == ANY_TOPIC and way.label in ENOUGH_FOR_ANY)
            expected = is_enough and operation in granting
            if is_allowed(world, row, need) is not expected:
                wrong.append((way.label, operation.name, f"expected {expected}"))
    assert wrong == []


@pytest.mark.parametrize("row", TABLE, ids=[row.label for row in TABLE])
def test_super_users_may_do_all_and_others_nothing_without_acls(row: Row) -> None:
    world = world_of(row)
    world.broker.authorizer = AclAuthorizer((), super_users={ALICE, ANONYMOUS})
    for need in row.needs:
        assert is_allowed(world, row, need)
    world.broker.authorizer = AclAuthorizer((), super_users={EVE, ANONYMOUS})
    for need in row.needs[:1]:
        assert not is_allowed(world, row, need)
    if not row.needs:
        asked = world.ask(row.request(), row.version)
        assert not AUTHORIZATION_CODES & set(codes_in(asked.response()))


def test_every_served_api_is_in_the_table() -> None:
    assert HANDLERS.keys() - NO_NEEDS - INTERNAL_KEYS == {row.key for row in TABLE}
    assert PAYER not in (TOPIC, GROUP)
