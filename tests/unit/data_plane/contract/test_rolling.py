"""Whose turn it is: only in a whole cluster, and the active controller last."""

from dataclasses import replace

import pytest

from data_plane.contract.rolling import RollView, next_to_restart

WHOLE = RollView(0, 0, 0, controller_id=0)


def test_the_lowest_id_goes_first_and_the_active_controller_last() -> None:
    assert next_to_restart([2, 0, 1], WHOLE) == 1
    assert next_to_restart([2, 0], WHOLE) == 2
    assert next_to_restart([0], WHOLE) == 0
    assert next_to_restart([], WHOLE) is None
    assert next_to_restart([2, 0, 1], replace(WHOLE, controller_id=None)) == 0


@pytest.mark.parametrize("field", ["down_count", "out_of_sync_count", "voters_behind_count"])
@pytest.mark.parametrize("count", [1, None])
def test_nobody_goes_while_somebody_is_missing_or_nobody_knows(
    field: str, count: int | None
) -> None:
    view = RollView(**{**dict.fromkeys(COUNTS, 0), field: count}, controller_id=0)
    assert next_to_restart([0, 1, 2], view) is None


COUNTS = ("down_count", "out_of_sync_count", "voters_behind_count")
