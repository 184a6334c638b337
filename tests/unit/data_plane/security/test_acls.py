"""The compiled authorizer against a naive reading of the rules (kafka-protocol.md item 90)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from data_plane.security.acls import (
    AclAuthorizer,
    AclFilter,
    AclOperation,
    AclPermission,
    PatternType,
    ResourceType,
)

ALICE, BOB, ALL = "User:CN=alice,O=c1", "User:CN=bob,O=c1", "User:*"
TOPIC, GROUP, CLUSTER = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.CLUSTER
READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
ALLOW, DENY = AclPermission.ALLOW, AclPermission.DENY


@dataclass(frozen=True)
class Entry:
    principal: str = ALICE
    operation: int = READ
    resource_name: str = "flights"
    permission_type: int = ALLOW
    pattern_type: int = PatternType.LITERAL
    resource_type: int = TOPIC
    host: str = "*"


Question = tuple[str, int, int, str, str]  # principal, operation, resource type, name, host


def naive_allows(entries: Sequence[Entry], question: Question) -> bool:
    """The rules as the documentation says them, one binding after another."""
    principal, operation, kind, name, host = question

    def applies(entry: Entry) -> bool:
        named = (
            name.startswith(entry.resource_name)
            if entry.pattern_type == PatternType.PREFIXED
            else entry.resource_name in (name, "*")
        )
        return (
            named
            and entry.resource_type == kind
            and entry.principal in (principal, ALL)
            and entry.host in (host, "*")
        )

    implying = {
        DESCRIBE: {READ, WRITE, AclOperation.DELETE, AclOperation.ALTER},
        AclOperation.DESCRIBE_CONFIGS: {AclOperation.ALTER_CONFIGS},
    }.get(AclOperation(operation), set())
    matching = [entry for entry in entries if applies(entry)]
    if any(
        e.permission_type == DENY and e.operation in (operation, AclOperation.ALL) for e in matching
    ):
        return False
    granting = {operation, AclOperation.ALL, *implying}
    return any(e.permission_type == ALLOW and e.operation in granting for e in matching)


OPERATIONS = [op for op in AclOperation if op >= AclOperation.ALL]
NAMES = ["a", "ab", "abc", "b", "b.c", "*"]
HOSTS = ["10.0.0.1", "10.0.0.2"]


def random_entry(rng: random.Random) -> Entry:
    return Entry(
        principal=rng.choice([ALICE, BOB, ALL]),
        operation=rng.choice(OPERATIONS),
        resource_name=rng.choice(NAMES),
        permission_type=rng.choice([ALLOW, ALLOW, ALLOW, DENY]),
        pattern_type=rng.choice([PatternType.LITERAL, PatternType.PREFIXED]),
        resource_type=rng.choice([TOPIC, GROUP]),
        host=rng.choice(["*", "*", *HOSTS]),
    )


@pytest.mark.semantics("89b", "90b", "90c", "90e")
@pytest.mark.parametrize("seed", range(40))
def test_item_90_matrix_equals_the_naive_oracle(seed: int) -> None:
    """Random bindings, every question asked twice: the second answer comes from the cache."""
    rng = random.Random(seed)
    entries = [random_entry(rng) for _ in range(rng.randrange(1, 14))]
    authorizer = AclAuthorizer(entries)
    for principal in (ALICE, BOB):
        for operation in OPERATIONS[1:]:
            for kind in (TOPIC, GROUP):
                for name in NAMES[:-1]:
                    for host in HOSTS:
                        question = (principal, operation, kind, name, host)
                        expected = naive_allows(entries, question)
                        assert authorizer.allows(*question) is expected, question
                        assert authorizer.allows(*question) is expected, question


@pytest.mark.parametrize("seed", range(40))
def test_on_any_equals_the_naive_oracle(seed: int) -> None:
    """`allows_on_any` finds a name exactly if one exists; names are tried around every pattern."""
    rng = random.Random(1000 + seed)
    entries = [random_entry(rng) for _ in range(rng.randrange(1, 10))]
    authorizer = AclAuthorizer(entries)
    tried = [*NAMES[:-1], *(name + "~" for name in NAMES[:-1]), "~", "*~"]
    for operation in (READ, WRITE, DESCRIBE):
        expected = any(
            naive_allows(entries, (ALICE, operation, TOPIC, name, HOSTS[0])) for name in tried
        )
        assert authorizer.allows_on_any(ALICE, operation, TOPIC, HOSTS[0]) is expected, entries


@pytest.mark.semantics("90d")
def test_item_90_nothing_is_allowed_without_a_binding() -> None:
    assert not AclAuthorizer().allows(ALICE, READ, TOPIC, "flights")


@pytest.mark.semantics("90a")
def test_item_90_super_user_beats_a_deny() -> None:
    authorizer = AclAuthorizer([Entry(permission_type=DENY)], super_users={ALICE})
    assert authorizer.allows(ALICE, READ, TOPIC, "flights")
    assert not authorizer.allows(BOB, READ, TOPIC, "flights")


@pytest.mark.semantics("90b")
@pytest.mark.parametrize(
    "deny",
    [
        Entry(permission_type=DENY),
        Entry(permission_type=DENY, principal=ALL),
        Entry(permission_type=DENY, operation=AclOperation.ALL),
        Entry(permission_type=DENY, resource_name="*"),
        Entry(permission_type=DENY, resource_name="fl", pattern_type=PatternType.PREFIXED),
        Entry(permission_type=DENY, host="10.0.0.1"),
    ],
)
def test_item_90_a_deny_of_any_form_beats_an_allow(deny: Entry) -> None:
    allow = Entry(operation=AclOperation.ALL, resource_name="*")
    assert AclAuthorizer([allow]).allows(ALICE, READ, TOPIC, "flights", "10.0.0.1")
    assert not AclAuthorizer([allow, deny]).allows(ALICE, READ, TOPIC, "flights", "10.0.0.1")
    assert not AclAuthorizer([deny, allow]).allows(ALICE, READ, TOPIC, "flights", "10.0.0.1")


@pytest.mark.semantics("90f")
def test_item_90_a_deny_does_not_propagate() -> None:
    """DENY READ leaves DESCRIBE, which WRITE implies."""
    authorizer = AclAuthorizer([Entry(permission_type=DENY), Entry(operation=WRITE)])
    assert not authorizer.allows(ALICE, READ, TOPIC, "flights")
    assert authorizer.allows(ALICE, DESCRIBE, TOPIC, "flights")


@pytest.mark.semantics("90g")
def test_item_90_write_on_any_topic_stands_for_idempotent_write() -> None:
    prefixed = Entry(operation=WRITE, resource_name="fl", pattern_type=PatternType.PREFIXED)
    assert AclAuthorizer([prefixed]).allows_on_any(ALICE, WRITE, TOPIC)
    assert not AclAuthorizer([prefixed]).allows_on_any(BOB, WRITE, TOPIC)
    dominated = Entry(
        operation=WRITE,
        resource_name="f",
        pattern_type=PatternType.PREFIXED,
        permission_type=DENY,
    )
    assert not AclAuthorizer([prefixed, dominated]).allows_on_any(ALICE, WRITE, TOPIC)


def test_everyone_is_allowed_only_where_no_binding_names_the_resource() -> None:
    authorizer = AclAuthorizer([Entry(principal=BOB)], allow_everyone_if_no_acl_found=True)
    assert authorizer.allows(ALICE, READ, TOPIC, "other")
    assert not authorizer.allows(ALICE, READ, TOPIC, "flights")


def test_item_92_authorized_operations_are_those_of_the_resource() -> None:
    """WRITE implies DESCRIBE; GROUP has no WRITE to show."""
    both = [
        Entry(operation=WRITE),
        Entry(operation=AclOperation.ALL, resource_type=GROUP, resource_name="*"),
    ]
    authorizer = AclAuthorizer(both)
    assert authorizer.authorized_operations(ALICE, TOPIC, "flights") == 1 << WRITE | 1 << DESCRIBE
    group_bits = authorizer.authorized_operations(ALICE, GROUP, "g")
    assert group_bits & (1 << READ)
    assert not group_bits & (1 << WRITE)


ANY_FILTER = AclFilter(
    ResourceType.ANY,
    None,
    PatternType.ANY,
    None,
    None,
    AclOperation.ANY,
    AclPermission.ANY,
)
LITERAL = Entry()
STAR = Entry(resource_name="*")
PREFIX = Entry(resource_name="fl", pattern_type=PatternType.PREFIXED)
OTHER = Entry(resource_name="other", host="10.0.0.1", principal=BOB, operation=WRITE)


def a_filter(**changes: object) -> AclFilter:
    values = {name: getattr(ANY_FILTER, name) for name in AclFilter.__slots__}
    return AclFilter(**{**values, **changes})


@pytest.mark.semantics("90h")
@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (ANY_FILTER, [LITERAL, STAR, PREFIX, OTHER]),
        (
            a_filter(pattern_type=PatternType.MATCH, resource_name="flights"),
            [LITERAL, STAR, PREFIX],
        ),
        (a_filter(pattern_type=PatternType.LITERAL, resource_name="flights"), [LITERAL]),
        (a_filter(pattern_type=PatternType.LITERAL, resource_name="*"), [STAR]),
        (a_filter(pattern_type=PatternType.ANY, resource_name="fl"), [PREFIX]),
        (a_filter(pattern_type=PatternType.PREFIXED), [PREFIX]),
        (a_filter(host="10.0.0.1"), [OTHER]),
        (a_filter(principal=BOB), [OTHER]),
        (a_filter(operation=WRITE), [OTHER]),
        (a_filter(operation=AclOperation.ALL), []),
        (a_filter(permission_type=DENY), []),
        (a_filter(resource_type=GROUP), []),
    ],
)
def test_item_90_filters(chosen: AclFilter, expected: list[Entry]) -> None:
    found = [entry for entry in (LITERAL, STAR, PREFIX, OTHER) if chosen.matches(entry)]
    assert found == expected


@pytest.mark.semantics("90h")
@pytest.mark.parametrize("field", ["resource_type", "pattern_type", "operation", "permission_type"])
@pytest.mark.parametrize("number", [0, 99])
def test_item_90_unknown_in_a_filter_is_invalid(field: str, number: int) -> None:
    assert ANY_FILTER.is_valid()
    assert not a_filter(**{field: number}).is_valid()


def test_askers_of_equal_standing_get_equal_answers() -> None:
    plain = AclAuthorizer([Entry(ALICE), Entry(ALL, DESCRIBE)], super_users={BOB, "User:root"})
    assert plain.standing(ALICE, "10.0.0.1") == plain.standing(ALICE, "10.0.0.2")
    assert plain.standing(ALICE, "10.0.0.1") != plain.standing("User:CN=carol,O=c1", "10.0.0.1")
    assert plain.standing(BOB, "10.0.0.1") == plain.standing("User:root", "10.0.0.2")
    by_host = AclAuthorizer([Entry(ALICE), Entry(ALICE, host="10.0.0.1", permission_type=DENY)])
    hosts = ("10.0.0.1", "10.0.0.2")
    assert len({by_host.standing(ALICE, host) for host in hosts}) == 2
    assert len({by_host.allows(ALICE, READ, TOPIC, "flights", host) for host in hosts}) == 2
