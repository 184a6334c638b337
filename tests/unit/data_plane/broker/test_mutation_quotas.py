"""Who may create and delete how many partitions, as clients see it (KIP-599)."""

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_client_quotas import AlterClientQuotasRequestOp
from data_plane.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsRequestTopic,
)
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsRequestTopic,
)
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.unit.data_plane.broker.test_client_quotas import alter
from tests.unit.data_plane.broker.test_client_quotas import limited as limited_world
from tests.unit.data_plane.broker.world import Asked, World

EXCEEDED = ErrorCode.THROTTLING_QUOTA_EXCEEDED
BURST = 5  # partitions, at one per second


def limited() -> World:
    return limited_world("controller_mutation_rate", 1)


def create(world: World, version: int, **partitions: int) -> Asked:
    topics = [CreateTopicsRequestTopic(name, count, 1) for name, count in partitions.items()]
    asked = world.ask(CreateTopicsRequest(topics=topics), version)
    world.settle()
    return asked


def codes(asked: Asked) -> list[int]:
    response = asked.response()
    rows = getattr(response, "topics", None) or getattr(response, "results", None)
    return [row.error_code for row in rows or response.responses]


@pytest.mark.semantics("93c")
def test_a_client_that_knows_the_error_is_refused_once_it_owes() -> None:
    world = limited()
    first = create(world, 7, a=BURST, b=5)
    assert codes(first) == [0, 0], "the bucket was overdrawn by the second"
    assert first.response().throttle_time_ms == 0
    second = create(world, 7, c=1, d=1)
    assert codes(second) == [EXCEEDED, EXCEEDED]
    assert second.response().throttle_time_ms == 5_000
    assert world.session.throttle.until_ms == world.now_ms + 5_000
    assert world.broker.image.topic("c") is None
    world.sleep(5_000)
    assert codes(create(world, 7, c=1)) == [0]


def test_one_request_may_be_refused_in_part() -> None:
    """Topic by topic, in the request's order."""
    world = limited()
    assert codes(create(world, 6, a=BURST, b=1, c=1)) == [0, 0, EXCEEDED]


@pytest.mark.semantics("93c")
@pytest.mark.parametrize("version", [2, 5])
def test_an_older_client_gets_its_topics_and_waits(version: int) -> None:
    world = limited()
    asked = create(world, version, a=BURST, b=5)
    assert codes(asked) == [0, 0]
    assert asked.response().throttle_time_ms == 5_000
    assert world.session.throttle.until_ms == world.now_ms + 5_000


def test_what_is_refused_otherwise_costs_nothing() -> None:
    world = limited()
    for _ in range(3):
        assert codes(create(world, 7, t=3)) == [ErrorCode.TOPIC_ALREADY_EXISTS]
    assert codes(create(world, 7, a=BURST)) == [0]


@pytest.mark.parametrize("version", [2, 3])
def test_growing_costs_what_is_added(version: int) -> None:
    world = limited()
    create(world, 7, a=BURST)
    for count, expected in ((3, 0), (4, EXCEEDED if version >= 3 else 0)):
        grown = [CreatePartitionsRequestTopic("t", count)]
        asked = world.ask(CreatePartitionsRequest(topics=grown), version)
        world.settle()
        assert codes(asked) == [expected]
    assert asked.response().throttle_time_ms == (2_000 if version >= 3 else 3_000)


@pytest.mark.parametrize("version", [4, 5, 6])
def test_deleting_costs_what_goes(version: int) -> None:
    world = limited()
    create(world, 7, a=3, b=2)
    world.sleep(3_000)
    expected = [0, 0, EXCEEDED if version >= 5 else 0]
    # Three are left: `t` leaves two, `a` owes one, so `b` is refused, or owed as well.
    names = ["t", "a", "b"]
    asked = world.ask(
        DeleteTopicsRequest(
            topics=[DeleteTopicsRequestTopic(name) for name in names], topic_names=names
        ),
        version,
    )
    world.settle()
    assert codes(asked) == expected
    assert asked.response().throttle_time_ms == (1_000 if version >= 5 else 3_000)


def test_automatic_creation_throttles_and_never_fails() -> None:
    world = World(auto_create_topics_enable="true")
    alter_rate(world)
    create(world, 7, a=BURST + 2)
    asked = world.ask(
        MetadataRequest(topics=[MetadataRequestTopic(name="new")], allow_auto_topic_creation=True),
        9,
    )
    world.settle()
    assert [row.error_code for row in asked.response().topics] == [0]
    assert asked.response().throttle_time_ms == 3_000


def alter_rate(world: World) -> None:
    alter(world, AlterClientQuotasRequestOp("controller_mutation_rate", 1.0))
