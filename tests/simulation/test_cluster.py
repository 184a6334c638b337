"""One seed is one world of the cluster; its share of every run is in test_cluster_share_*.py."""

import os
import subprocess
import sys

from tests.simulation.cluster_world import ClusterWorld

TRACE = "from tests.simulation.cluster_world import *; print(ClusterWorld(2).run().trace)"


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
