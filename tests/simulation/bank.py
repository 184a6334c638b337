"""The bank of planted bugs, and the seeds that are stored for them: a simulator must find each.

`make sim BANK=1` looks for all of them, `tests/simulation/test_bank_*.py` replay what is stored.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from tests.simulation import (
    planted_cluster,
    planted_coordinators,
    planted_faults,
    planted_log,
    planted_quorum,
)
from tests.simulation.plants import Planted

BANK: tuple[Planted, ...] = (
    *planted_cluster.BANK,
    *planted_log.BANK,
    *planted_coordinators.BANK,
    *planted_faults.BANK,
    *planted_quorum.BANK,
)
STORED_FILE = Path(__file__).with_name("stored_seeds.json")


class Stored(TypedDict):
    """Where a bug shows. said: what the world said; trace: of its run, as of the last refresh;
    worlds: how many were looked through until it was first found.

    A change of the brokers may shift what a seed does; `make sim BANK=1 ARGS=--refresh` looks anew.
    """

    seed: int
    said: str
    trace: str
    worlds: int


def stored_seeds() -> dict[str, Stored]:
    """By the bug's name."""
    found: dict[str, Stored] = json.loads(STORED_FILE.read_text()) if STORED_FILE.exists() else {}
    return found


def store_seeds(seeds: Mapping[str, Stored]) -> None:
    """Write the file anew, in the order of the bank."""
    rows = {one.name: seeds[one.name] for one in BANK if one.name in seeds}
    STORED_FILE.write_text(json.dumps(rows, indent=1) + "\n")


def named(parts: list[str]) -> list[Planted]:
    """The bugs whose names hold one of `parts`; all of them if there are no parts."""
    return [one for one in BANK if not parts or any(part in one.name for part in parts)]
