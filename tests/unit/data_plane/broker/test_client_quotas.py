"""Quotas seen by clients of a whole broker: throttle times, held-back records, muted sessions."""

import pytest

from data_plane.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntity,
    AlterClientQuotasRequestEntry,
    AlterClientQuotasRequestOp,
)
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced

USER = AlterClientQuotasRequestEntity("user", "ANONYMOUS")
VALUE = b"x" * 20_000


def limited(key: str, value: float, entity: AlterClientQuotasRequestEntity = USER) -> World:
    world = World()
    world.create_topic("t")
    world.settle()
    alter(world, AlterClientQuotasRequestOp(key, value), entity)
    return world


def alter(
    world: World,
    op: AlterClientQuotasRequestOp,
    entity: AlterClientQuotasRequestEntity = USER,
) -> None:
    entry = AlterClientQuotasRequestEntry([entity], [op])
    asked = world.ask(AlterClientQuotasRequest([entry]), 1)
    world.executor.run()
    (row,) = asked.response().entries
    assert row.error_code == 0, row


@pytest.mark.semantics("93a", "93f")
@pytest.mark.parametrize("version", [3, 9, 11])
@pytest.mark.parametrize("acks", [-1, 1])
def test_a_produce_over_the_quota_is_kept_answered_and_mutes(version: int, acks: int) -> None:
    world = limited("producer_byte_rate", 1_000)
    asked = world.produce("t", batch_of(VALUE), version=version, acks=acks)
    world.executor.run()
    assert produced(asked).error_code == 0
    wait_ms = asked.response().throttle_time_ms
    assert 18_000 <= wait_ms <= 20_000, "20 KB at 1 KB/s, of which two seconds are free"
    assert world.session.throttle.until_ms == world.now_ms + wait_ms


def test_a_produce_without_a_reply_mutes_too() -> None:
    world = limited("producer_byte_rate", 1_000)
    assert world.produce("t", batch_of(VALUE), acks=0).reply is None
    assert world.session.throttle.until_ms > world.now_ms


def test_a_produce_below_the_quota_is_not_throttled() -> None:
    world = limited("producer_byte_rate", 1_000_000)
    asked = world.produce("t", batch_of(VALUE))
    world.executor.run()
    assert asked.response().throttle_time_ms == 0
    assert world.session.throttle.until_ms == 0


def test_a_client_id_has_its_own_quota_and_others_none() -> None:
    named = limited("producer_byte_rate", 1, AlterClientQuotasRequestEntity("client-id", "test"))
    other = limited("producer_byte_rate", 1, AlterClientQuotasRequestEntity("client-id", "else"))
    for world, is_throttled in ((named, True), (other, False)):
        asked = world.produce("t", batch_of(VALUE))
        world.executor.run()
        assert bool(asked.response().throttle_time_ms) == is_throttled


@pytest.mark.semantics("94b")
def test_a_fetch_over_the_quota_tells_watermarks_and_keeps_records_back() -> None:
    world = limited("consumer_byte_rate", 1_500)
    for _ in range(2):
        world.produce("t", batch_of(VALUE))
        world.executor.run()
    first = world.fetch("t", 0)
    assert fetched(first).records, "nothing went before"
    assert first.response().throttle_time_ms > 0
    second = world.fetch("t", 1)
    row = fetched(second)
    assert not row.records
    assert (row.error_code, row.high_watermark) == (0, 2)
    assert second.response().throttle_time_ms > 0
    world.sleep(15_000)
    assert fetched(world.fetch("t", 1)).records


def test_an_answer_carries_no_more_than_the_quota_allows_at_once() -> None:
    world = limited("consumer_byte_rate", 15_000)
    for _ in range(5):
        world.produce("t", batch_of(VALUE))
        world.executor.run()
    asked = world.fetch("t", 0)
    records = fetched(asked).records
    assert records is not None
    assert len(VALUE) <= len(records) < 2 * len(VALUE), "one batch fits into 30 KB"
    assert asked.response().throttle_time_ms == 0


def test_a_quota_taken_back_holds_no_longer() -> None:
    world = limited("producer_byte_rate", 1)
    alter(world, AlterClientQuotasRequestOp("producer_byte_rate", remove=True))
    asked = world.produce("t", batch_of(VALUE))
    world.executor.run()
    assert asked.response().throttle_time_ms == 0


def test_quotas_survive_a_restart() -> None:
    world = limited("producer_byte_rate", 1)
    world.restart(lambda ending: ending.files.crash())
    asked = world.produce("t", batch_of(VALUE))
    world.executor.run()
    assert asked.response().throttle_time_ms > 0
