"""Server-side assignors (KIP-848): who shall own which partition, as pure functions.

`uniform` spreads all partitions evenly and moves as few as it can; `range` gives each member
neighbours in every topic, so that equal topics are consumed together. Both are deterministic:
the same members, topics and former targets give the same assignment.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from data_plane.coordinator.consumer_group_records import (
    NO_PARTITIONS,
    Assignment,
    TopicIdPartition,
)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One member as an assignor sees it."""

    topics: frozenset[UUID]
    former: Assignment = NO_PARTITIONS  # its target so far
    instance_id: str | None = None


Subscribers = Mapping[str, Subscriber]
Topics = Mapping[UUID, int]  # topic id -> partitions
Assignor = Callable[[Subscribers, Topics], dict[str, Assignment]]


def uniform(members: Subscribers, topics: Topics) -> dict[str, Assignment]:
    """Even within what subscriptions allow: no move from one member to another would even it."""
    owned = _kept(members, topics)
    taken = set().union(*owned.values()) if owned else set()
    free = [
        (topic, partition)
        for topic in sorted(topics)
        for partition in range(topics[topic])
        if (topic, partition) not in taken
    ]
    wanted_by = {
        topic: [one for one in sorted(members) if topic in members[one].topics] for topic in topics
    }
    lightest = _Lightest(owned, wanted_by)
    # Partitions that few members may own go first, while those members still have room.
    for at in sorted(free, key=lambda at: len(wanted_by[at[0]])):
        if (taker := lightest.of(at[0])) is not None:
            owned[taker].add(at)
    _balance(owned, wanted_by)
    return {member_id: frozenset(partitions) for member_id, partitions in owned.items()}


def range_(members: Subscribers, topics: Topics) -> dict[str, Assignment]:
    """Each topic's partitions in runs, the first members getting one more where it must be."""
    owned: dict[str, set[TopicIdPartition]] = {member_id: set() for member_id in members}
    in_order = sorted(members, key=lambda one: (members[one].instance_id or one, one))
    for topic, count in topics.items():
        wanting = [one for one in in_order if topic in members[one].topics]
        if not wanting:
            continue
        each, extra = divmod(count, len(wanting))
        first = 0
        for place, member_id in enumerate(wanting):
            end = first + each + (place < extra)
            owned[member_id].update((topic, partition) for partition in range(first, end))
            first = end
    return {member_id: frozenset(partitions) for member_id, partitions in owned.items()}


ASSIGNORS: dict[str, Assignor] = {"uniform": uniform, "range": range_}


class _Lightest:
    """Finds the member that owns least, the first by name where they are even, in O(log members).

    What members own may only grow meanwhile, so a heap's loads are at most too small. Topics that
    the same members want share a heap.
    """

    def __init__(
        self, owned: Mapping[str, set[TopicIdPartition]], wanted_by: Mapping[UUID, list[str]]
    ) -> None:
        self._owned = owned
        heaps: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        self._heap_of: dict[UUID, list[tuple[int, str]]] = {}
        for topic, members in wanted_by.items():
            heap = heaps.setdefault(tuple(members), [])
            if not heap:
                heap += [(len(owned[one]), one) for one in members]
                heapq.heapify(heap)
            self._heap_of[topic] = heap

    def of(self, topic: UUID) -> str | None:
        """None: nobody wants the topic."""
        heap = self._heap_of[topic]
        if not heap:
            return None
        while heap[0][0] != (load := len(self._owned[heap[0][1]])):
            heapq.heapreplace(heap, (load, heap[0][1]))
        return heap[0][1]


def _kept(members: Subscribers, topics: Topics) -> dict[str, set[TopicIdPartition]]:
    """What members had and may keep; a partition that two claim stays with the first."""
    taken: set[TopicIdPartition] = set()
    owned: dict[str, set[TopicIdPartition]] = {}
    for member_id in sorted(members):
        member = members[member_id]
        kept = {
            at
            for at in member.former
            if at[0] in member.topics and at[1] < topics.get(at[0], 0) and at not in taken
        }
        taken |= kept
        owned[member_id] = kept
    return owned


def _balance(owned: dict[str, set[TopicIdPartition]], wanted_by: Mapping[UUID, list[str]]) -> None:
    """Move single partitions from members with most to members with fewer until none helps.

    Each move lowers the sum of squares of the loads, so this ends.
    """
    by_topic: dict[str, dict[UUID, list[int]]] = {}
    for member_id, partitions in owned.items():
        mine = by_topic[member_id] = {}
        for topic, partition in sorted(partitions):
            mine.setdefault(topic, []).append(partition)
    loads = {member_id: len(partitions) for member_id, partitions in owned.items()}
    while (move := _move(by_topic, loads, wanted_by)) is not None:
        giver, taker, topic = move
        partition = by_topic[giver][topic].pop()
        by_topic[taker].setdefault(topic, []).append(partition)
        owned[giver].remove((topic, partition))
        owned[taker].add((topic, partition))
        loads[giver] -= 1
        loads[taker] += 1


def _move(
    by_topic: Mapping[str, Mapping[UUID, list[int]]],
    loads: Mapping[str, int],
    wanted_by: Mapping[UUID, list[str]],
) -> tuple[str, str, UUID] | None:
    """(giver, taker, topic) of a move that evens loads out, the most loaded member first."""
    fewest = min(loads.values(), default=0)
    for giver in sorted(loads, key=lambda one: (-loads[one], one)):
        if loads[giver] - fewest <= 1:
            return None
        for topic, partitions in by_topic[giver].items():
            if not partitions:
                continue
            taker = min(wanted_by[topic], key=lambda one: loads[one])
            if loads[giver] - loads[taker] > 1:
                return giver, taker, topic
    return None
