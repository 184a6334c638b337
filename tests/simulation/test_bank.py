"""The bank itself: its bugs are distinct, and none counts as found that did nothing."""

from pathlib import Path

import pytest

from data_plane.replication.partition import Partition
from tests.simulation.bank import BANK, stored_seeds
from tests.simulation.plants import BrokenPlant, Plant, Planted, is_shown, look_for
from tests.simulation.worlds import CLUSTER

BUGS_MIN = 25
DECISION = Path(__file__).parents[2] / "docs/decisions/0036-a-bank-of-planted-bugs.md"


def test_the_bank_has_distinct_bugs() -> None:
    assert len({one.name for one in BANK}) == len(BANK) >= BUGS_MIN
    assert len({one.plant for one in BANK}) == len(BANK)
    assert stored_seeds().keys() <= {one.name for one in BANK}


def test_what_has_no_stored_seed_is_named() -> None:
    """Nobody takes the bank for found as a whole."""
    said = " ".join(DECISION.read_text().lower().split())
    unnamed = [one.name for one in BANK if one.name not in stored_seeds()]
    assert [name for name in unnamed if name.lower() not in said] == []


def test_a_bug_that_never_bites_is_not_found() -> None:
    """Nor is one whose world says nothing."""
    idle = Planted("idle", lambda plant: None, CLUSTER)
    shown = look_for(idle, 0)
    assert not is_shown(idle, 0, shown)
    assert not is_shown(idle, 0, shown._replace(said="Violation: of something else"))


def test_a_plant_that_does_not_work_finds_nothing() -> None:
    def broken(plant: Plant) -> None:
        def advance(self: Partition) -> None:
            plant.bites()
            self.no_such_field += 1  # type: ignore[attr-defined]  # the slip that is meant

        plant.replace(Partition, "_advance", advance)

    with pytest.raises(BrokenPlant, match="no_such_field"):
        look_for(Planted("broken", broken, CLUSTER), 0)


def test_a_plant_that_is_called_in_another_way_by_now_finds_nothing() -> None:
    """The right code takes one argument more than it did when the bug was planted."""

    def outdated(plant: Plant) -> None:
        plant.replace(Partition, "_may_join", lambda self: True)

    with pytest.raises(BrokenPlant, match="lambda"):
        look_for(Planted("outdated", outdated, CLUSTER), 0)
