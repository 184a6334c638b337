"""Assignors: nothing twice, nothing unasked for, even, and as little moved as can be."""

import random
from uuid import UUID

import pytest

from data_plane.coordinator.assignors import ASSIGNORS, Subscriber, range_, uniform
from data_plane.coordinator.consumer_group_records import Assignment


def topic(number: int) -> UUID:
    return UUID(int=number + 1)


def all_of(number: int, count: int) -> set[tuple[UUID, int]]:
    return {(topic(number), partition) for partition in range(count)}


def check_whole(
    made: dict[str, Assignment], members: dict[str, Subscriber], topics: dict[UUID, int]
) -> None:
    owned = [at for partitions in made.values() for at in partitions]
    assert len(owned) == len(set(owned)), "a partition has one owner"
    wanted = {one for member in members.values() for one in member.topics} & topics.keys()
    assert set(owned) == {(one, p) for one in wanted for p in range(topics[one])}
    for member_id, partitions in made.items():
        assert {one for one, _ in partitions} <= members[member_id].topics
    assert made.keys() == members.keys()


@pytest.mark.parametrize("name", ASSIGNORS)
@pytest.mark.parametrize("seed", range(60))
def test_any_crowd_gets_a_whole_assignment(name: str, seed: int) -> None:
    """Method: a crowd that joins, leaves, and subscribes anew, over topics that grow."""
    rng = random.Random(seed)
    topics = {topic(number): rng.randrange(1, 9) for number in range(rng.randrange(1, 5))}
    made: dict[str, Assignment] = {}
    for _ in range(6):
        members = {
            f"m{number}": Subscriber(
                frozenset(rng.sample(sorted(topics), rng.randrange(1, len(topics) + 1))),
                made.get(f"m{number}", frozenset()),
            )
            for number in rng.sample(range(8), rng.randrange(1, 8))
        }
        made = ASSIGNORS[name](members, topics)
        check_whole(made, members, topics)
        topics[rng.choice(sorted(topics))] += rng.randrange(3)


@pytest.mark.semantics("64c")
@pytest.mark.parametrize("seed", range(60))
def test_uniform_is_even_and_moves_no_more_than_it_must(seed: int) -> None:
    """Equal subscriptions: loads differ by one at most, and only what is above a share moves."""
    rng = random.Random(seed)
    topics = {topic(number): rng.randrange(1, 20) for number in range(3)}
    everything = frozenset(topics)
    count = rng.randrange(1, 7)
    before = uniform({f"m{n}": Subscriber(everything) for n in range(count)}, topics)
    members = {
        **{f"m{n}": Subscriber(everything, before[f"m{n}"]) for n in range(count)},
        "new": Subscriber(everything),
    }
    after = uniform(members, topics)
    loads = [len(partitions) for partitions in after.values()]
    assert max(loads) - min(loads) <= 1
    for n in range(count):
        assert after[f"m{n}"] <= before[f"m{n}"], "nobody but the new member gets anything"
    assert (
        uniform({name: Subscriber(everything, after[name]) for name in members}, topics) == after
    ), "nothing moves when nothing has changed"


def test_uniform_helps_who_may_own_little() -> None:
    """A member that subscribes to one topic alone gets its share of it before others fill up."""
    topics = {topic(0): 4, topic(1): 4}
    members = {
        "both": Subscriber(frozenset(topics)),
        "one": Subscriber(frozenset({topic(0)})),
    }
    made = uniform(members, topics)
    assert {member_id: len(partitions) for member_id, partitions in made.items()} == {
        "both": 4,
        "one": 4,
    }


@pytest.mark.semantics("64c")
def test_range_gives_equal_partitions_of_topics_to_one_member() -> None:
    topics = {topic(0): 5, topic(1): 5}
    made = range_({name: Subscriber(frozenset(topics)) for name in ("a", "b")}, topics)
    assert made["a"] == all_of(0, 3) | all_of(1, 3)
    assert made["b"] == (all_of(0, 5) | all_of(1, 5)) - made["a"]


def test_range_keeps_a_static_member_in_its_place() -> None:
    topics = {topic(0): 2}

    def first(member_id: str) -> Assignment:
        members = {
            member_id: Subscriber(frozenset(topics), instance_id="i-1"),
            "m": Subscriber(frozenset(topics), instance_id="i-2"),
        }
        return range_(members, topics)[member_id]

    assert first("a") == first("z") == all_of(0, 1)
