"""Which brokers hold the replicas of new partitions: spread over racks, nodes, then brokers."""

from collections.abc import Sequence
from itertools import zip_longest
from random import Random
from typing import Final

from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.errors import ErrorCode, KafkaError

INTERNAL_REPLICAS_MAX: Final = 3


class InvalidReplicationFactor(KafkaError):
    default_code = ErrorCode.INVALID_REPLICATION_FACTOR


def internal_replication_factor(image: MetadataImage) -> int:
    """How many replicas internal topics shall have: by the brokers there shall be, not those that
    happen to be there (durability.md 9).
    """
    return min(INTERNAL_REPLICAS_MAX, image.spec_broker_count)


def candidates(image: MetadataImage) -> list[RegisterBrokerRecord]:
    """The brokers on which new replicas may be placed; those that are fenced hold the last ones.

    One that is shutting down comes back, so it counts as fenced.
    """
    return [image.brokers[key] for key in sorted(image.brokers)]


def place(
    brokers: Sequence[RegisterBrokerRecord],
    *,
    partition_count: int,
    replication_factor: int,
    rng: Random,
) -> list[tuple[int, ...]]:
    """Return the replicas of each new partition as broker ids, the preferred leader first.

    Leaders go round all active brokers from a random start; the other replicas take racks that the
    partition does not have yet, then machines, before they share one. Brokers that are not active
    hold what the others cannot, and never lead first.
    Raises InvalidReplicationFactor if there are fewer brokers than replicas, or none is active.
    """
    if replication_factor > len(brokers):
        raise InvalidReplicationFactor(
            f"Unable to replicate the partition {replication_factor} time(s): the target "
            f"replication factor of {replication_factor} cannot be reached because only "
            f"{len(brokers)} broker(s) are registered."
        )
    ring = _interleaved([each for each in brokers if each.is_active])
    if not ring:
        raise InvalidReplicationFactor("All brokers are currently fenced.")
    spare = _interleaved([each for each in brokers if not each.is_active])
    start = rng.randrange(len(ring))
    return [
        _replicas(ring, spare, start + index, 1 + index // len(ring), replication_factor)
        for index in range(partition_count)
    ]


def _interleaved(brokers: Sequence[RegisterBrokerRecord]) -> list[RegisterBrokerRecord]:
    """Order brokers so that neighbours differ in rack, then in machine, as long as those last."""
    nodes: dict[str, dict[str, list[RegisterBrokerRecord]]] = {}
    for broker in sorted(brokers, key=lambda b: b.broker_id):
        nodes.setdefault(broker.rack, {}).setdefault(broker.node_id, []).append(broker)
    racks = [
        [broker for turn in zip_longest(*by_node.values()) for broker in turn if broker is not None]
        for _, by_node in sorted(nodes.items())
    ]
    turns = zip_longest(*racks)
    return [broker for turn in turns for broker in turn if broker is not None]


def _replicas(
    ring: Sequence[RegisterBrokerRecord],
    spare: Sequence[RegisterBrokerRecord],
    first: int,
    shift: int,
    replication_factor: int,
) -> tuple[int, ...]:
    """Take the leader at `first`, then others from `shift` places on, new racks first.

    The shift grows each time round, so that one leader's followers are not always the same.
    """
    leader = ring[first % len(ring)]
    behind = [ring[(first + step) % len(ring)] for step in range(1, len(ring))]
    if behind:
        turn = (shift - 1) % len(behind)
        behind = behind[turn:] + behind[:turn]
    chosen = [leader]
    for pool in (behind, spare):
        for is_wanted in (_is_on_new_rack, _is_on_new_node, _is_any):
            for broker in pool:
                if len(chosen) == replication_factor:
                    break
                if broker not in chosen and is_wanted(broker, chosen):
                    chosen.append(broker)
    return tuple(broker.broker_id for broker in chosen)


def _is_on_new_rack(broker: RegisterBrokerRecord, chosen: Sequence[RegisterBrokerRecord]) -> bool:
    return all(broker.rack != each.rack for each in chosen)


def _is_on_new_node(broker: RegisterBrokerRecord, chosen: Sequence[RegisterBrokerRecord]) -> bool:
    return all(broker.node_id != each.node_id for each in chosen)


def _is_any(_broker: RegisterBrokerRecord, _chosen: Sequence[RegisterBrokerRecord]) -> bool:
    return True
