"""An eighth of the cluster's worlds of every run: `make sim` has more."""

import pytest

from tests.simulation.shares import cluster_share
from tests.simulation.worlds import CLUSTER, run_world


@pytest.mark.parametrize("seed", cluster_share(5))
def test_a_world_of_faults_breaks_no_promise(seed: int) -> None:
    """Invariants after every event, convergence at the end. One world: -k "[<seed>]"."""
    assert run_world(CLUSTER, seed).tally.acknowledged > 0
