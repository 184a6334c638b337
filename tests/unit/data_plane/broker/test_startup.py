"""A start that is told to stop: nothing is lost, and the directory is free again."""

import random

import pytest

from data_plane.broker.startup import StartAbandoned, open_broker
from data_plane.metadata.records import BrokerListener
from tests.unit.data_plane.broker.world import World, batch_of, produced


def test_a_recovery_that_is_told_to_stop_ends_between_two_logs() -> None:
    world = World()
    world.create_topic("t", 3)
    asked = world.produce("t", batch_of(b"a", b"b"))
    world.settle()
    assert produced(asked).error_code == 0
    asked_to_stop: list[int] = []

    def is_stopped() -> bool:
        asked_to_stop.append(1)
        return len(asked_to_stop) == 2

    def crash(one: World) -> None:
        one.files.crash()
        with pytest.raises(StartAbandoned):
            open_broker(
                one.config,
                one.files,
                one.executor,
                listeners=(BrokerListener("PLAINTEXT", "broker.test", 9092),),
                rng=random.Random(6),
                now_ms=one.now_ms,
                boot_id="another boot",
                on_failure=one.failures.append,
                is_stopped=is_stopped,
            )

    world.restart(crash)
    assert len(asked_to_stop) == 2
    assert world.broker.partition("t", 0).log.log_end_offset == 2
    assert not world.failures
