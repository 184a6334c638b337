"""Worlds that failed once do not fail any more, and would if what was repaired came back."""

from pathlib import Path

import pytest

from tests.simulation import regressions
from tests.simulation.planted_cluster import acknowledged_before_sync
from tests.simulation.plants import Planted, planting
from tests.simulation.regressions import Regression, replayed, replayed_with_bug, store, stored

ALL = stored()
REPAIRED = [one for one in ALL if one["bug"]]


@pytest.mark.parametrize("regression", ALL, ids=[one["name"] for one in ALL])
def test_it_does_not_fail_again(regression: Regression) -> None:
    assert replayed(regression).said == ""


@pytest.mark.timeout(300)  # Where clients have moved, up to twelve worlds.
@pytest.mark.parametrize("regression", REPAIRED, ids=[one["name"] for one in REPAIRED])
def test_it_would_show_what_was_repaired(regression: Regression) -> None:
    shown = [one for _, one in replayed_with_bug(regression) if one.said and one.bites][:1]
    assert shown, "store it anew, by another seed that shows the bug"


def test_a_world_is_stored_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fails as it did, by what it needs alone, until the fault is gone."""
    monkeypatch.setattr(regressions, "STORED_FILE", tmp_path / "regressions.json")
    with planting(Planted("ack before sync", acknowledged_before_sync)):
        assert store(0, "told too early", "") == 0
        (row,) = stored()
        assert replayed(row).said == row["said"]
        assert store(0, "told too early", "") == 0
        assert len(stored()) == 1
    assert replayed(row).said == ""
    assert store(0, "nothing", "") == 1
    assert "seed 0 does not fail" in capsys.readouterr().out
