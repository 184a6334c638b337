"""A share of the cluster's worlds for every run; `make sim` has the rest."""

import os
import subprocess
import sys

import pytest

from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.planted_cluster import BANK, PlantedInCluster, shown_by

# Those that show in any few worlds; the rest takes dozens, and is for `make sim`'s own bank.
QUICK = [one for one in BANK if 0 <= one.first_seed < 3 and one.world is ClusterWorld]
WORLDS_MAX = 40
TRACE = "from tests.simulation.cluster_world import *; print(ClusterWorld(2).run().trace)"


@pytest.mark.parametrize("seed", range(12))
def test_a_world_of_faults_breaks_no_promise(seed: int) -> None:
    """Three whole brokers, producers and readers: crashes, power losses, cuts, lost directories.

    Method: invariants after every event, convergence at the end. One world: -k "[<seed>]".
    """
    assert ClusterWorld(seed).run().acknowledged > 0


def test_a_seed_is_one_world_whatever_strings_hash_to() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", TRACE],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert told == {f"{ClusterWorld(2).run().trace}\n"}


@pytest.mark.parametrize("planted", QUICK, ids=[one.name for one in QUICK])
def test_a_planted_bug_is_found(planted: PlantedInCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its stored seed on: any change of the brokers shifts what a seed does."""
    planted.plant(monkeypatch)
    seeds = range(planted.first_seed, planted.first_seed + WORLDS_MAX)
    assert any(shown_by(planted, seed) is not None for seed in seeds)
