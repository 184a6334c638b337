"""Whose turn it is in a roll: one rule, for an agent with all brokers of a cluster and for the
control plane where they are on several nodes (durability.md 9).
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RollView:
    """What must be known of a whole cluster before one of its brokers is stopped.

    down_count: brokers that do not serve. voters_behind_count: voters of the metadata quorum that
    lack something committed. None, of any: not known, which is no reason to go on.
    """

    down_count: int | None = None
    out_of_sync_count: int | None = None  # partitions, internal ones too, that lack a replica
    voters_behind_count: int | None = None
    controller_id: int | None = None  # the active one

    @property
    def is_whole(self) -> bool:
        return (self.down_count, self.out_of_sync_count, self.voters_behind_count) == (0, 0, 0)


def next_to_restart(waiting: Collection[int], view: RollView) -> int | None:
    """The broker of `waiting` to stop now; None: nobody, as the cluster is not whole.

    Lowest id first, the active controller last: each time it goes, another one has to be elected.
    """
    if not waiting or not view.is_whole:
        return None
    return min(waiting, key=lambda broker_id: (broker_id == view.controller_id, broker_id))
