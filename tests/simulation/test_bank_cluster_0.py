"""The bank of planted bugs over whole clusters, a third of it: each stored seed shows its bug."""

import pytest

from tests.simulation.plants import Planted
from tests.simulation.shares import BANK_SHARES, REPLAY_S_MAX, assert_is_found, stored_bugs
from tests.simulation.worlds import CLUSTER

STORED = stored_bugs(CLUSTER, 0, BANK_SHARES)


@pytest.mark.timeout(REPLAY_S_MAX)
@pytest.mark.parametrize("planted", STORED, ids=[one.name for one in STORED])
def test_a_planted_bug_is_found(planted: Planted) -> None:
    assert_is_found(planted)
