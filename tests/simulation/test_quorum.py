"""A share of the quorum's worlds for every run; `make sim WORLD=quorum` has the rest."""

import pytest

from tests.simulation.planted_quorum import prevote_ignored
from tests.simulation.plants import Planted, look_for
from tests.simulation.quorum_world import QuorumWorld
from tests.simulation.shares import QUORUM_WORLDS
from tests.simulation.worlds import QUORUM, run_world


@pytest.mark.parametrize("seed", range(QUORUM_WORLDS))
def test_a_world_of_faults_breaks_no_promise(seed: int) -> None:
    """Five nodes, three voters: crashes, torn writes, full and slow disks, cuts, lost directories.

    Method: invariants after every event, convergence at the end. One world: -k "[<seed>]".
    """
    assert run_world(QUORUM, seed).tally.acknowledged > 0


def test_without_prevote_no_promise_is_broken() -> None:
    """It is there for availability alone, so its loss must not show as anything worse.

    Here it shows as that: a node that takes itself for a voter, by an entry which was never
    committed, has stood in a hundred terms by the end and follows no leader of an earlier one.
    """
    shown = look_for(Planted("PreVote ignored", prevote_ignored, QUORUM), 6)
    assert shown.bites
    assert shown.said.startswith("Violation: convergence: images differ")


def test_a_seed_is_one_world() -> None:
    first, second = QuorumWorld(1), QuorumWorld(1)
    assert first.run() == second.run()
    assert first.schedule.events == second.schedule.events
    assert first.trace == second.trace
    assert first.invariants.committed == second.invariants.committed
