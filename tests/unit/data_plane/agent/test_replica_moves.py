"""Where replicas go when a topic shall have more, or fewer."""

from data_plane.agent.replica_moves import MOVES_MAX, PartitionSeen, lost, moves, under_way

RACKS = {0: "a", 1: "b", 2: "c"}


def seen(
    partition: int, *replicas: int, topic: str = "t", leader: int | None = None, **more: object
) -> PartitionSeen:
    values: dict[str, object] = {"in_sync": frozenset(replicas)} | more
    first = replicas[0] if leader is None else leader
    return PartitionSeen(topic, partition, first, replicas, **values)  # type: ignore[arg-type]  # the fields vary


def test_one_replica_becomes_three_and_leaders_are_dealt_out() -> None:
    alone = [seen(partition, 0) for partition in range(6)]
    targets = moves({"t": 3}, alone, RACKS)
    assert all(sorted(target) == [0, 1, 2] for target in targets.values())
    assert sorted(target[0] for target in targets.values()) == [0, 0, 1, 1, 2, 2]


def test_other_racks_come_first_then_who_holds_least() -> None:
    racks = {0: "a", 1: "a", 2: "b", 3: "b"}
    (target,) = moves({"t": 2}, [seen(0, 0), seen(0, 2, topic="u")], racks).values()
    assert set(target) == {0, 3}


def test_the_leader_and_what_is_in_sync_stay() -> None:
    one = seen(0, 1, 0, 2, leader=2, in_sync=frozenset({0, 2}))
    assert moves({"t": 2}, [one], RACKS) == {("t", 0): [0, 2]}


def test_nothing_moves_without_enough_brokers_or_while_internal_topics_do() -> None:
    assert moves({"t": 3}, [seen(0, 0)], {0: "a", 1: "b"}) == {}
    internal = seen(0, 0, 1, topic="__consumer_offsets", adding=frozenset({1}), is_internal=True)
    assert moves({"t": 3}, [seen(0, 0), internal], RACKS) == {}


def test_moves_come_in_portions() -> None:
    alone = [seen(partition, 0) for partition in range(3 * MOVES_MAX)]
    first = moves({"t": 3}, alone, RACKS)
    assert len(first) == MOVES_MAX
    begun = [
        seen(one.partition, 0, 1, 2, in_sync=frozenset({0}), adding=frozenset({1, 2}))
        if ("t", one.partition) in first
        else one
        for one in alone
    ]
    assert moves({"t": 3}, begun, RACKS) == {}
    assert under_way({"t": 3}, begun) == {"t": (3 * MOVES_MAX, 3 * MOVES_MAX)}


def test_what_is_as_wanted_is_left_alone() -> None:
    settled = [seen(partition, 2, 0, 1) for partition in range(2)]
    assert moves({"t": 3}, settled, RACKS) == {}
    assert under_way({"t": 3}, settled) == {}


def led_by_nobody(partition: int, *replicas: int, adding: tuple[int, ...] = ()) -> PartitionSeen:
    return PartitionSeen("t", partition, -1, replicas, frozenset(), frozenset(adding))


def test_records_are_gone_where_the_only_replica_came_back_without_them() -> None:
    gone = led_by_nobody(0, 2)
    may_come_back = led_by_nobody(1, 3)  # its broker is away
    others_had_it = led_by_nobody(2, 1, 2)
    on_its_way = led_by_nobody(3, 2, 0, 1, adding=(0, 1))
    all_seen = [gone, may_come_back, others_had_it, on_its_way, seen(4, 2)]
    assert lost(all_seen, RACKS.keys()) == {("t", 0), ("t", 3)}
