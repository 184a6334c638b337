"""Which brokers shall hold the partitions of topics whose replication factor is another now. Pure.

Internal topics are the controller's own business; users' topics wait until those have what they
shall have, and go on in portions, so that copying starves nobody.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

MOVES_MAX = 32  # partitions under way at a time

PartitionId = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class PartitionSeen:
    """One partition as its brokers describe it; `replicas` begin with the preferred leader."""

    topic: str
    partition: int
    leader: int  # -1: none
    replicas: tuple[int, ...]
    in_sync: frozenset[int]
    adding: frozenset[int] = frozenset()  # of `replicas`: on their way, by a move
    is_internal: bool = False

    @property
    def is_in_sync(self) -> bool:
        return self.in_sync >= set(self.replicas)

    @property
    def settled_replicas(self) -> int:
        """How many replicas it has apart from those that a move only brings."""
        return len(self.replicas) - len(self.adding)


def lost(seen: Iterable[PartitionSeen], live: Collection[int]) -> set[PartitionId]:
    """Partitions whose records are gone: nobody leads, and the only replica's broker lives.

    It came back without them, or it would lead. live: brokers that lived before and after the look
    at the partitions, so that one that was away only then is not taken for that.
    """
    return {
        (one.topic, one.partition)
        for one in seen
        if one.leader < 0 and one.settled_replicas == 1 and set(one.replicas) <= set(live)
    }


def moves(
    wanted: Mapping[str, int], seen: Sequence[PartitionSeen], racks: Mapping[int, str]
) -> dict[PartitionId, list[int]]:
    """Return the next targets, at most MOVES_MAX with those under way.

    wanted: topic -> replication factor. racks: of the brokers that live, by id.
    """
    if any(one.is_internal and one.adding for one in seen):
        return {}
    room = MOVES_MAX - sum(bool(one.adding) for one in seen)
    held = Counter(broker for one in seen for broker in one.replicas)
    led = Counter(one.replicas[0] for one in seen if one.replicas)
    found: dict[PartitionId, list[int]] = {}
    for one in sorted(seen, key=lambda each: (each.topic, each.partition)):
        count = wanted.get(one.topic)
        if len(found) >= room or count is None or one.adding or len(one.replicas) == count:
            continue
        if len(one.replicas) > count:
            target = _narrowed(one, count)
        elif len(racks.keys() | set(one.replicas)) < count:
            continue  # not enough brokers live; another time
        else:
            target = _preferred_first(_widened(one, count, racks, held), led)
        held.update(set(target) - set(one.replicas))
        led.subtract(one.replicas[:1])
        led.update(target[:1])
        found[one.topic, one.partition] = target
    return found


def _widened(
    one: PartitionSeen, count: int, racks: Mapping[int, str], held: Mapping[int, int]
) -> list[int]:
    """The replicas there are, then brokers of other racks, those with least to hold first."""
    target = list(one.replicas)
    while len(target) < count:
        used = {racks.get(broker) for broker in target}
        target.append(
            min(
                racks.keys() - set(target),
                key=lambda broker: (racks[broker] in used, held.get(broker, 0), broker),
            )
        )
    return target


def _preferred_first(target: Sequence[int], led: Mapping[int, int]) -> list[int]:
    """Leaders are dealt out: new brokers are there to carry their share."""
    first = min(target, key=lambda broker: (led.get(broker, 0), target.index(broker)))
    return [first, *(broker for broker in target if broker != first)]


def _narrowed(one: PartitionSeen, count: int) -> list[int]:
    """Keep the leader, then what is in sync, in the order there is."""
    ranked = sorted(
        one.replicas,
        key=lambda broker: (broker != one.leader, broker not in one.in_sync),
    )
    kept = set(ranked[:count])
    return [broker for broker in one.replicas if broker in kept]


def under_way(
    wanted: Mapping[str, int], seen: Iterable[PartitionSeen]
) -> dict[str, tuple[int, int]]:
    """Topic -> (partitions that are not yet as wanted and in sync, all its partitions).

    Only topics that have some, and whose replication factor was given.
    """
    total: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for one in seen:
        if one.topic in wanted:
            total[one.topic] += 1
            is_there = len(one.replicas) == wanted[one.topic] and not one.adding
            left[one.topic] += not is_there
    return {topic: (count, total[topic]) for topic, count in left.items() if count}
