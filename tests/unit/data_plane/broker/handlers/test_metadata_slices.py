"""Metadata of very many topics: told in slices, and the same as if it were told at once."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import pytest

from data_plane.broker.context import RequestContext
from data_plane.broker.handlers import metadata
from data_plane.broker.handlers.metadata import TOPICS_PER_SLICE
from data_plane.metadata.records import (
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataResponse
from data_plane.protocol.schema import EncodedRows, encode
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclAuthorizer, AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, ALICE, StandIn
from tests.unit.data_plane.broker.world import World

ALL = MetadataRequest(topics=None)
TOPICS = 2 * TOPICS_PER_SLICE + 1
VERSION = 12


class Slow(StandIn):
    """Does a step of its long work only when told to; its rules are one object while they stay."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[Iterator[object]] = []
        self._rules: tuple[object, AclAuthorizer] | None = None
        self.create_topics(range(TOPICS))

    def create_topics(self, numbers: Iterable[int]) -> None:
        records: list[object] = []
        for number in numbers:
            topic_id = UUID(int=9_000 + number)
            row = PartitionRecord(topic_id, 0, (1,), (1,), 1, leader_epoch=0, partition_epoch=0)
            records += (TopicRecord(f"topic-{number:05}", topic_id), row)
        self.write(*records)

    @property
    def authorizer(self) -> AclAuthorizer:
        if self._rules is None or self._rules[0] is not self.image.acls:
            self._rules = (self.image.acls, super().authorizer)
        return self._rules[1]

    def in_slices(self, steps: Iterator[object]) -> None:
        self.work.append(steps)

    def step(self) -> None:
        (steps,) = self.work
        if next(steps, self) is self:
            self.work.clear()

    def asked(self, principal: str = ADMIN) -> MetadataResponse | Parked:
        ctx = RequestContext(principal, "test", "10.0.0.9", 3, VERSION, "TLS", 1_000)
        return metadata.handle(self, ctx, ALL)


@pytest.fixture(scope="module")
def slow() -> Slow:
    return Slow()


def told(answer: object) -> bytes:
    assert isinstance(answer, MetadataResponse)
    return encode(answer, VERSION)


def count_of(response: MetadataResponse) -> int:
    assert isinstance(response.topics, EncodedRows)
    return len(response.topics)


def finished(broker: Slow, parked: object) -> tuple[MetadataResponse, int]:
    """The answer, and how many steps it took."""
    assert isinstance(parked, Parked)
    count = 0
    while broker.work:
        assert not parked.is_done
        broker.step()
        count += 1
    assert isinstance(parked.response, MetadataResponse)
    return parked.response, count


def test_many_topics_take_several_steps_and_are_told_whole_and_remembered(slow: Slow) -> None:
    response, steps = finished(slow, slow.asked())
    assert steps == 3
    assert count_of(response) == TOPICS
    again = slow.asked()
    assert told(again) == told(response), "from memory, at once"


def test_what_changes_meanwhile_is_told_as_it_is_at_the_end(slow: Slow) -> None:
    slow.write(RemoveTopicRecord(slow.image.topics["topic-00007"].topic_id))
    parked = slow.asked()
    slow.step()
    slow.write(RemoveTopicRecord(slow.image.topics["topic-00000"].topic_id))
    slow.create_topics([TOPICS + 5])
    response, _ = finished(slow, parked)
    assert count_of(response) == TOPICS - 1
    assert told(slow.asked()) == told(response), "it is remembered all the same"


def test_rules_that_change_meanwhile_hide_what_they_hide_at_the_end(slow: Slow) -> None:
    slow.allow(AclOperation.DESCRIBE, "topic-00001")
    slow.allow(AclOperation.DESCRIBE, "topic-00002")
    parked = slow.asked(ALICE)
    slow.step()
    slow.allow(AclOperation.DESCRIBE, "topic-00003")
    response, _ = finished(slow, parked)
    assert count_of(response) == 3


def test_nobody_works_for_a_connection_that_is_gone(slow: Slow) -> None:
    slow.create_topics([TOPICS + 6])
    parked = slow.asked()
    assert isinstance(parked, Parked)
    slow.step()
    parked.abandon()
    slow.step()
    assert not slow.work


def test_a_fault_in_a_step_answers_who_asked(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.create_topics([TOPICS + 7])
    parked = slow.asked()
    assert isinstance(parked, Parked)
    monkeypatch.setattr(metadata, "allows_topic", None)
    with pytest.raises(TypeError):
        slow.step()
    slow.work.clear()
    assert isinstance(parked.response, KafkaError)


def test_a_broker_does_one_step_of_one_work_per_tick() -> None:
    """Two long works take turns; one that fails harms nobody."""
    world = World()
    done: list[str] = []

    def work(name: str, count: int) -> Iterator[None]:
        for _ in range(count):
            done.append(name)
            yield

    def failing() -> Iterator[None]:
        yield
        raise ValueError("a bug")

    world.broker.in_slices(work("a", 2))
    world.broker.in_slices(failing())
    world.broker.in_slices(work("b", 3))
    counts = []
    while world.broker.next_due_ms == 0:
        before = len(done)
        world.broker.tick(world.now_ms)
        counts.append(len(done) - before)
    assert done == ["a", "b", "a", "b", "b"]
    assert max(counts) == 1
