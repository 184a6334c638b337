"""Worlds that failed once, kept for good: what they were like and what happened in them, as it was.

A seed alone does not keep them, since what a seed draws moves with the code of the worlds. Stored
are the plan, the blows that the failure needed (shrink.py), their times and what each draws from, a
generator of its own; clients draw from the seed. What is left to move is what production does, and
clients: what has a bug of the bank is looked for in a few more worlds of other clients.

    make sim SEED=205 ARGS="--store 'begun behind its first batch'"

stores a world that fails. It is to fail until what it shows is repaired, and never again.
"""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from tests.simulation.bank import BANK
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.nemesis import StoredBlow
from tests.simulation.plan import Plan
from tests.simulation.plants import Planted, Shown, look_into, planting
from tests.simulation.shrink import family, shrink

STORED_FILE = Path(__file__).with_name("regressions.json")
OTHER_CLIENTS = 12  # worlds, where those of the seed do not show the bug any more
DRAWS_MAX = 24  # until blows that draw anew do what those of the seed did


class Regression(TypedDict):
    """bug: planted, it is what was repaired; empty: none that shows there for
    certain, or it is not repaired yet.

    blows: (ms, name, draws) each. said: by the world, when it was stored.
    """

    name: str
    bug: str
    seed: int
    said: str
    blows: list[list[Any]]
    plan: dict[str, Any]


def stored() -> list[Regression]:
    found: list[Regression] = json.loads(STORED_FILE.read_text()) if STORED_FILE.exists() else []
    return found


def world_of(regression: Regression, clients: int | None = None) -> ClusterWorld:
    """The same world again; clients: of another seed."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in regression["plan"].items()
    }
    seed = regression["seed"]
    world = ClusterWorld(seed if clients is None else clients, Plan(**fields))
    world.nemesis.stored = [StoredBlow(*one) for one in regression["blows"]]
    return world


def replayed(regression: Regression, clients: int | None = None) -> Shown:
    """What the world comes to with the code as it is."""
    return look_into(world_of(regression, clients))


def replayed_with_bug(regression: Regression) -> Iterator[tuple[int, Shown]]:
    """The worlds of the stored clients and of others, with the bug planted."""
    bug = bug_of(regression["bug"])
    seed = regression["seed"]
    for clients in range(seed, seed + OTHER_CLIENTS):
        with planting(bug) as plant:
            shown = look_into(world_of(regression, clients), plant=bug.plant)
            yield clients, shown._replace(bites=plant.bites_count)


def bug_of(name: str) -> Planted:
    return next(one for one in BANK if one.name == name)


def store(seed: int, name: str, bug: str) -> int:
    """Shrink what a seed fails by and add it to the file, 0; 1 if there is nothing to add.

    bug: planted while this is done, of what is repaired already.
    """
    with planting(bug_of(bug)) if bug else nullcontext():
        shrunk = shrink(seed)
        if not shrunk.said:
            print(f"seed {seed} does not fail")
            return 1
        world = ClusterWorld(seed)
        plan = asdict(world.plan) | {"troubles": world.nemesis.kinds}
        row = Regression(name=name, bug=bug, seed=seed, said="", blows=[], plan=plan)
        for draws in range(DRAWS_MAX):
            row["blows"] = [[one.at_ms, one.name, f"{seed} {draws}"] for one in shrunk.needed]
            # As it will be read, and not yet as it is.
            row["said"] = replayed(json.loads(json.dumps(row))).said
            if family(row["said"]) == family(shrunk.said):
                break
        else:
            print(f"what happened does not make it fail again: {row['said'] or 'nothing'}")
            return 1
    rows = [one for one in stored() if one["name"] != name]
    STORED_FILE.write_text(json.dumps([*rows, row], indent=1) + "\n")
    print(f"stored as {name!r}, {len(row['blows'])} blows: {shrunk.said}")
    return 0
