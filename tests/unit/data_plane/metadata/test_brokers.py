"""Registration: the epoch is the record's offset, and everything led gets a new leader epoch."""

import dataclasses
from uuid import UUID

import pytest

from data_plane.metadata.brokers import (
    BrokerIdNotRegistered,
    decide_register_broker,
    decide_unregister,
)
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.errors import InvalidRequest
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    scope_of,
    topic,
    with_topics,
)


def incarnation(broker_id: int, number: int = 1, **changes: object) -> RegisterBrokerRecord:
    """A later incarnation of a broker, with the same directory."""
    changes["incarnation_id"] = UUID(int=1_000 * number + broker_id)
    return dataclasses.replace(broker(broker_id), **changes)  # type: ignore[arg-type]  # made up by the test


@pytest.mark.semantics("77c")
def test_the_epoch_of_an_incarnation_is_the_offset_of_its_record() -> None:
    decision = decide_register_broker(scope_of(cluster()), incarnation(1), next_offset=42)
    assert decision.response == 42
    assert after(cluster(), decision).brokers[1].broker_epoch == 42


def test_what_the_broker_led_gets_a_new_leader_epoch_and_the_rest_stays() -> None:
    image = with_topics(cluster(broker(1), broker(2)), topic("a", 4))
    again = after(image, decide_register_broker(scope_of(image), incarnation(1), next_offset=9))
    pairs = list(zip(image.topics["a"].partitions, again.topics["a"].partitions, strict=True))
    assert {before.leader for before, _ in pairs} == {1, 2}
    for before, now in pairs:
        bump = int(before.leader == 1)
        assert now.leader_epoch == before.leader_epoch + bump
        assert now.partition_epoch == before.partition_epoch + bump
        assert now.isr == before.isr


def test_only_a_broker_that_has_stopped_is_unregistered() -> None:
    stopped = dataclasses.replace(broker(2), is_fenced=True)
    image = cluster(broker(1), stopped)
    with pytest.raises(InvalidRequest, match="stop it"):
        decide_unregister(scope_of(image), 1)
    with pytest.raises(BrokerIdNotRegistered):
        decide_unregister(scope_of(image), 3)
    assert set(after(image, decide_unregister(scope_of(image), 2)).brokers) == {1}
