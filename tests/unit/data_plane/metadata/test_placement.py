"""Placement: racks, then machines, then brokers; leaders in turn; fenced brokers last."""

from collections import Counter
from random import Random

import pytest

from data_plane.metadata.placement import InvalidReplicationFactor, place
from data_plane.metadata.records import RegisterBrokerRecord
from tests.unit.data_plane.metadata.worlds import broker


def site() -> list[RegisterBrokerRecord]:
    """Two racks of two machines with two brokers each."""
    return [
        broker(number, f"rack-{number // 4}", node_id=f"node-{number // 2}") for number in range(8)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_replicas_are_on_other_racks_and_machines(seed: int) -> None:
    brokers = {each.broker_id: each for each in site()}
    placed = place(site(), partition_count=16, replication_factor=3, rng=Random(seed))
    for replicas in placed:
        assert len({brokers[each].rack for each in replicas}) == 2
        assert len({brokers[each].node_id for each in replicas}) == 3
    assert set(Counter(replicas[0] for replicas in placed).values()) == {2}


@pytest.mark.parametrize("seed", range(5))
def test_on_one_machine_brokers_share_it(seed: int) -> None:
    brokers = [broker(each, "r", node_id="n") for each in (1, 2, 3)]
    placed = place(brokers, partition_count=6, replication_factor=3, rng=Random(seed))
    assert all(sorted(replicas) == [1, 2, 3] for replicas in placed)
    assert set(Counter(replicas[0] for replicas in placed).values()) == {2}


def test_fenced_brokers_hold_the_last_replicas_and_never_lead() -> None:
    brokers = [broker(1), broker(2), broker(3, is_fenced=True)]
    placed = place(brokers, partition_count=4, replication_factor=3, rng=Random(1))
    assert all(replicas[2] == 3 for replicas in placed)
    two = place(brokers, partition_count=4, replication_factor=2, rng=Random(1))
    assert all(3 not in replicas for replicas in two)


@pytest.mark.parametrize("brokers", [[], [broker(1)], [broker(1, is_fenced=True)]])
def test_too_few_brokers(brokers: list[RegisterBrokerRecord]) -> None:
    factor = 2 if brokers and not brokers[0].is_fenced else 1
    with pytest.raises(InvalidReplicationFactor):
        place(brokers, partition_count=1, replication_factor=factor, rng=Random(1))
