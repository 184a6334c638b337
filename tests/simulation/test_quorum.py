"""A share of the quorum's worlds for every run; `make sim` has the rest."""

import pytest

from tests.simulation.planted_quorum import BANK, Planted, found_by, prevote_ignored
from tests.simulation.quorum_world import QuorumWorld

QUICK = [planted for planted in BANK if planted.is_quick]
WORLDS_MAX = 60


@pytest.mark.parametrize("seed", range(8))
def test_a_world_of_faults_breaks_no_promise(seed: int) -> None:
    """Five nodes, three voters: crashes, torn writes, full and slow disks, cuts, lost directories.

    Method: invariants after every event, convergence at the end. One world: -k "[<seed>]".
    """
    tally = QuorumWorld(seed).run()
    assert tally.acknowledged > 0


@pytest.mark.parametrize("planted", QUICK, ids=[one.name for one in QUICK])
def test_a_planted_bug_is_found(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the bank is for `python -m tests.simulation planted`: some take many worlds.

    Any change of the quorum shifts what a seed does, so the stored seed is where to begin to look.
    """
    planted.plant(monkeypatch)
    assert found_by(planted, worlds_max=WORLDS_MAX) is not None


def test_without_prevote_no_promise_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there for availability alone, so its loss must not show as anything worse."""
    prevote_ignored(monkeypatch)
    assert QuorumWorld(3).run().acknowledged > 0


def test_a_seed_is_one_world() -> None:
    first, second = QuorumWorld(1), QuorumWorld(1)
    assert first.run() == second.run()
    assert first.schedule.events == second.schedule.events
    assert first.invariants.committed == second.invariants.committed
