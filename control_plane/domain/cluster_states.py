"""The life of a cluster, as a table."""

from enum import StrEnum

from control_plane.domain.errors import Conflict


class ClusterState(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    UPDATING = "updating"
    DELETING = "deleting"
    DELETED = "deleted"


S = ClusterState

# The whole automaton. Tests and the docs' diagram read this table.
TRANSITIONS: dict[ClusterState, set[ClusterState]] = {
    S.CREATING: {S.AVAILABLE, S.DELETING},
    S.AVAILABLE: {S.UPDATING, S.DELETING},
    S.UPDATING: {S.AVAILABLE, S.DELETING},
    S.DELETING: {S.DELETED},
    S.DELETED: set(),
}


class IllegalTransition(Conflict):
    """A cluster was asked to go where its state does not lead."""

    id = "illegal_transition"


def advance(state: ClusterState, to: ClusterState) -> ClusterState:
    """Return `to` if a cluster may go there from `state`; nothing else assigns a cluster state."""
    if to not in TRANSITIONS[state]:
        raise IllegalTransition(f"cluster cannot go from {state} to {to}")
    return to
