"""Attempts spread out while the control plane is gone, and start afresh when it is back."""

import random

from data_plane.agent.report_loop import BackOff


def test_waiting_times_double_up_to_the_bound() -> None:
    back_off = BackOff(15.0, random.Random(1))
    waits = [back_off.next_s() for _ in range(20)]
    bounds = [min(0.2 * 2**attempt, 15.0) for attempt in range(20)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len(set(waits)) == 20  # no two agents in step
    back_off.reset()
    assert back_off.next_s() <= 0.2
