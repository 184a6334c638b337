"""Aimed worlds: each has what its blow needs and nothing else, and every bug's aim is one."""

from random import Random

import pytest

from tests.simulation import aims, quorum_blows
from tests.simulation.bank import BANK
from tests.simulation.clock import Schedule
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.network import SimulatedNetwork
from tests.simulation.plan import drawn
from tests.simulation.streams import Connection, Streams
from tests.simulation.worlds import CLUSTER, QUORUM, aim_of

SEEDS = range(2_000)
LATER = {CLUSTER: aims.LATER, QUORUM: quorum_blows.LATER_AIMS}


def first_seed(aim: str) -> int:
    return next(seed for seed in SEEDS if aims.drawn(seed) == aim)


@pytest.mark.parametrize("aim", [*aims.AIMS, *aims.LATER])
def test_an_aimed_world_is_what_its_aim_says(aim: str) -> None:
    """Its troubles are among those that there are, and come alone."""
    seed = first_seed(aim)
    world = ClusterWorld(seed)
    assert world.plan.aim == aim
    assert set(world.nemesis.kinds) == set(world.plan.troubles)
    for name, value in aims.changes_of(aim).items():
        assert getattr(world.plan, name) == value


def test_a_part_of_all_worlds_is_aimed() -> None:
    aimed = [seed for seed in SEEDS if drawn(seed).aim]
    later = (1 - aims.AIMED_SHARE) * (1 - (1 - aims.LATER_SHARE) ** len(aims.LATER))
    assert 0.8 < len(aimed) / len(SEEDS) / (aims.AIMED_SHARE + later) < 1.2


def test_a_bug_is_looked_for_at_its_aim() -> None:
    for planted in BANK:
        known = aims if planted.world == CLUSTER else quorum_blows
        if planted.aim:
            assert planted.aim in {**known.AIMS, **LATER[planted.world]}
            seed = next(planted.seeds(0))
            assert aim_of(planted.world, seed) == planted.aim


def test_what_is_asked_on_a_stuck_connection_comes_behind_that_of_a_new_one() -> None:
    schedule = Schedule()
    network: SimulatedNetwork[int] = SimulatedNetwork(schedule, Random(1))
    streams = Streams(schedule, Random(2), network)
    heard: list[tuple[int, bytes | None]] = []

    def accept(connection: Connection) -> None:
        connection.on_server = lambda frame: heard.append((schedule.now_ms, frame))

    streams.listen(1, accept)
    stuck = streams.connect(0, 1, lambda _: None)
    streams.stick(0, 1, 1_000)
    stuck.ask(b"held up")
    streams.connect(0, 1, lambda _: None).ask(b"new")
    schedule.run(2_000)
    assert [frame for _, frame in heard] == [b"new", b"held up"]
    assert heard[1][0] >= 1_000
