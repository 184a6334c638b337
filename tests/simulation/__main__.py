"""Worlds one after the other: `python -m tests.simulation quorum --seeds N --from S`.

`python -m tests.simulation planted` looks for each bug of the bank.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from statistics import median

import pytest

from tests.simulation.planted_quorum import BANK, found_by
from tests.simulation.quorum_world import FAULTS_MS, HEALING_MS, QuorumWorld


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("what", choices=["quorum", "planted"])
    parser.add_argument("names", nargs="*", help="planted: parts of names; none: the whole bank")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=0)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if asked.what == "planted":
        return find_planted(asked.names, asked.seeds)
    return run_worlds(asked.first, asked.seeds)


def find_planted(names: list[str], worlds_max: int) -> int:
    """Print the first seed that shows each planted bug, and the median of how many it took."""
    took: list[int] = []
    missed = 0
    for planted in BANK:
        if names and not any(name in planted.name for name in names):
            continue
        with pytest.MonkeyPatch.context() as patch:
            planted.plant(patch)
            found = found_by(planted, worlds_max)
        if found is None:
            missed += 1
            print(f"MISSED {planted.name}, in {worlds_max} worlds", flush=True)
        else:
            took.append(found.seed + 1)
            print(f"{planted.name}: seed {found.seed}, {found.said[:90]!r}", flush=True)
    print(f"{len(took)} of {len(took) + missed} found; median {median(took or [0])} worlds")
    return 1 if missed else 0


def run_worlds(first: int, seeds: int) -> int:
    faults: Counter[str] = Counter()
    failed: list[int] = []
    acknowledged = events = 0
    began_s = time.monotonic()
    for seed in range(first, first + seeds):
        world = QuorumWorld(seed)
        try:
            tally = world.run()
        except Exception as error:
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {error} {error.__notes__}", flush=True)
            continue
        faults.update(tally.faults)
        acknowledged += tally.acknowledged
        events += world.schedule.events
    took_s = time.monotonic() - began_s
    hours = seeds * (FAULTS_MS + HEALING_MS) / 3_600_000
    print(f"{seeds} seeds from {first}: {len(failed)} failed {failed or ''}")
    print(f"{hours:.1f} simulated hours, {events} events, {acknowledged} decisions acknowledged")
    print(f"{seeds / took_s * 60:.0f} seeds per minute")
    for fault, count in sorted(faults.items()):
        print(f"{count:8d}  {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
