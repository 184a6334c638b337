"""Worlds one after the other: `python -m tests.simulation cluster --seeds N --from S`.

`quorum` has the worlds of the quorum alone. `planted` and `planted-cluster` look for each bug of a
bank; the latter keeps what it has found in a file, and goes on from there.
"""

import argparse
import gc
import json
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.planted_cluster import BANK as CLUSTER_BANK
from tests.simulation.planted_cluster import PlantedInCluster, shown_by
from tests.simulation.planted_quorum import BANK, found_by
from tests.simulation.quorum_world import FAULTS_MS, HEALING_MS, QuorumWorld

FAILED_FILE = "failed-seeds.txt"


class Ran(NamedTuple):
    """One world: how it ended, and what happened in it."""

    seed: int
    failure: str
    faults: dict[str, int]
    acknowledged: int
    events: int
    ms: int
    trace: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("what", choices=["cluster", "quorum", "planted", "planted-cluster"])
    parser.add_argument("names", nargs="*", help="planted: parts of names; none: the whole bank")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--state", type=Path, default=Path(".ottla/simulation"), help="what was found"
    )
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if asked.what == "planted":
        return find_planted(asked.names, asked.seeds)
    if asked.what == "planted-cluster":
        return find_in_cluster(asked.names, asked.seeds, asked.state)
    run = run_cluster if asked.what == "cluster" else run_quorum
    seeds = range(asked.first, asked.first + asked.seeds)
    began_s = time.monotonic()
    if asked.jobs == 1:
        ran = [told(run(seed)) for seed in seeds]
    else:
        with ProcessPoolExecutor(asked.jobs, initializer=prepare) as pool:
            ran = [told(one) for one in pool.map(run, seeds, chunksize=4)]
    return summary(ran, time.monotonic() - began_s, asked.state / asked.what)


def prepare() -> None:
    """Another process that runs worlds."""
    logging.disable(logging.CRITICAL)
    gc.freeze()


def run_quorum(seed: int) -> Ran:
    world = QuorumWorld(seed)
    failure = ""
    try:
        world.run()
    except Exception as error:
        failure = f"{type(error).__name__}: {error} {error.__notes__}"
    tally, ms = world.tally, FAULTS_MS + HEALING_MS
    return Ran(seed, failure, tally.faults, tally.acknowledged, world.schedule.events, ms, "")


def run_cluster(seed: int) -> Ran:
    world = ClusterWorld(seed)
    failure = ""
    try:
        world.run()
    except Exception as error:
        failure = f"{type(error).__name__}: {error} {error.__notes__}"
    tally = world.tally
    events, ms = world.schedule.events, world.schedule.now_ms
    return Ran(seed, failure, tally.faults, tally.acknowledged, events, ms, tally.trace)


def told(ran: Ran) -> Ran:
    if ran.failure:
        print(f"seed {ran.seed}: {ran.failure}", flush=True)
    return ran


def summary(ran: list[Ran], took_s: float, state: Path) -> int:
    """Print what was done; failed seeds are added to a file."""
    failed = [one.seed for one in ran if one.failure]
    hours = sum(one.ms for one in ran) / 3_600_000
    events, acknowledged = sum(one.events for one in ran), sum(one.acknowledged for one in ran)
    faults: Counter[str] = Counter()
    for one in ran:
        faults.update(one.faults)
    print(f"{len(ran)} seeds from {ran[0].seed}: {len(failed)} failed {failed or ''}")
    print(f"{hours:.1f} simulated hours, {events} events, {acknowledged} acknowledged")
    print(f"{len(ran) / took_s * 60:.0f} seeds per minute")
    for fault, count in sorted(faults.items()):
        print(f"{count:8d}  {fault}")
    if len(ran) == 1 and ran[0].trace:
        print(f"trace {ran[0].trace}")
    if failed:
        state.mkdir(parents=True, exist_ok=True)
        with (state / FAILED_FILE).open("a") as file:
            file.writelines(f"{seed}\n" for seed in failed)
    return 1 if failed else 0


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


def find_in_cluster(names: list[str], worlds_max: int, state: Path) -> int:
    """Look for each bug from where the run before has stopped; print all that is found."""
    state.mkdir(parents=True, exist_ok=True)
    file = state / "planted-cluster.json"
    known: dict[str, dict[str, int]] = json.loads(file.read_text()) if file.exists() else {}
    took: list[int] = []
    missed = 0
    for planted in CLUSTER_BANK:
        if names and not any(name in planted.name for name in names):
            continue
        row = known.setdefault(planted.name, {"looked": 0, "first": -1})
        if row["first"] < 0:
            look_for(planted, row, worlds_max)
            file.write_text(json.dumps(known, indent=1))
        if row["first"] < 0:
            missed += 1
            print(f"MISSED {planted.name}, in {row['looked']} worlds", flush=True)
        else:
            took.append(row["first"] + 1)
            print(f"{planted.name}: seed {row['first']}", flush=True)
    print(f"{len(took)} of {len(took) + missed} found; median {median(took or [0])} worlds")
    return 1 if missed else 0


def look_for(planted: PlantedInCluster, row: dict[str, int], worlds_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        planted.plant(patch)
        while row["looked"] < worlds_max:
            said = shown_by(planted, row["looked"])
            row["looked"] += 1
            if said is not None:
                row["first"] = row["looked"] - 1
                print(f"  {said[:120]!r}", flush=True)
                return


if __name__ == "__main__":
    sys.exit(main())
