"""Which brokers hold the replicas of new partitions: spread over racks, then over brokers."""

from collections.abc import Sequence
from itertools import zip_longest
from random import Random

from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.errors import ErrorCode, KafkaError


class InvalidReplicationFactor(KafkaError):
    default_code = ErrorCode.INVALID_REPLICATION_FACTOR


def place(
    brokers: Sequence[RegisterBrokerRecord],
    *,
    partition_count: int,
    replication_factor: int,
    rng: Random,
) -> list[tuple[int, ...]]:
    """Return the replicas of each new partition as broker ids, the preferred leader first.

    Leaders go round all brokers from a random start; the other replicas take racks that the
    partition does not have yet before they share one.
    Raises InvalidReplicationFactor if there are fewer brokers than replicas.
    """
    if replication_factor > len(brokers):
        raise InvalidReplicationFactor(
            f"Unable to replicate the partition {replication_factor} time(s): the target "
            f"replication factor of {replication_factor} cannot be reached because only "
            f"{len(brokers)} broker(s) are registered."
        )
    ring = _interleaved(brokers)
    start = rng.randrange(len(ring))
    return [
        _replicas(ring, start + index, 1 + index // len(ring), replication_factor)
        for index in range(partition_count)
    ]


def _interleaved(brokers: Sequence[RegisterBrokerRecord]) -> list[RegisterBrokerRecord]:
    """Order brokers so that neighbours are of different racks as long as racks last."""
    racks: dict[str, list[RegisterBrokerRecord]] = {}
    for broker in sorted(brokers, key=lambda b: b.broker_id):
        racks.setdefault(broker.rack, []).append(broker)
    turns = zip_longest(*(racks[rack] for rack in sorted(racks)))
    return [broker for turn in turns for broker in turn if broker is not None]


def _replicas(
    ring: Sequence[RegisterBrokerRecord], first: int, shift: int, replication_factor: int
) -> tuple[int, ...]:
    """Take the leader at `first`, then others from `shift` places on, new racks first.

    The shift grows each time round, so that one leader's followers are not always the same.
    """
    leader = ring[first % len(ring)]
    behind = [ring[(first + step) % len(ring)] for step in range(1, len(ring))]
    if behind:
        turn = (shift - 1) % len(behind)
        behind = behind[turn:] + behind[:turn]
    chosen, racks = [leader], {leader.rack}
    for must_be_new_rack in (True, False):
        for broker in behind:
            if len(chosen) == replication_factor:
                break
            if broker not in chosen and not (must_be_new_rack and broker.rack in racks):
                chosen.append(broker)
                racks.add(broker.rack)
    return tuple(broker.broker_id for broker in chosen)
