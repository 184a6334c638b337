"""The table of a cluster's life."""

import itertools

import pytest

from control_plane.domain.cluster_states import (
    TRANSITIONS,
    ClusterState,
    IllegalTransition,
    advance,
)


def test_every_state_is_in_the_table_and_reached() -> None:
    assert set(TRANSITIONS) == set(ClusterState)
    reached = set().union(*TRANSITIONS.values())
    assert reached == set(ClusterState) - {ClusterState.CREATING}


@pytest.mark.parametrize(("state", "to"), [*itertools.product(ClusterState, ClusterState)])
def test_advance_follows_the_table(state: ClusterState, to: ClusterState) -> None:
    if to in TRANSITIONS[state]:
        assert advance(state, to) == to
    else:
        with pytest.raises(IllegalTransition):
            advance(state, to)


def test_nothing_comes_back_from_deletion() -> None:
    assert TRANSITIONS[ClusterState.DELETING] == {ClusterState.DELETED}
    assert TRANSITIONS[ClusterState.DELETED] == set()
