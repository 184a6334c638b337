"""Worlds that are aimed at one thing: one trouble alone, in a world that has all that it needs.

Chance brings what such a world is made of together once in a hundred or a thousand worlds. A bug of
the bank says which of them brings it to bear, and is looked for there first; and each seed may draw
one, so that every long run has them all.
"""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

VOTERS = 3
AIMED_SHARE = 0.25  # of all worlds
ONLY = "only "  # and the aim's name: a feature of the worlds that have nothing else

SPREAD: Final = {"is_synced": False, "replication_factor": 3}
BUSY: Final = {"partitions": 1, "careless": 1}  # one partition has all the work
QUIET: Final = {"chores": (), "members": (), "transactional": 0, "has_compacted": False}
TOLD: Final = ("told",) * 3
GROUPS: Final = {
    "replication_factor": 3,
    "transactional": 2,
    "careless": 0,
    "chores": (),
    "members": ("classic", "classic"),
    "has_compacted": False,
}

# By the aim's name, which is that of its trouble unless it says others: how its worlds differ from
# what chance has drawn, in the fields of the plan.
AIMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "leader lost ahead": {**SPREAD, **BUSY, "flush_ms": "100"},
    "next leader lost too": {**SPREAD, **BUSY, **QUIET, "careless": 0, "transactional": 1},
    "new epoch lost": {**SPREAD, **BUSY, **QUIET, "flush_ms": "100"},
    "leader left alone": {
        **BUSY,
        "is_synced": True,
        "replication_factor": 3,
        "rare": ("impatient leaders",),
        "has_compacted": False,
    },
    "power lost ahead": {**SPREAD, "careless": 1, "flush_ms": "1000", "has_compacted": False},
    "crash with a tail": {
        **SPREAD,
        "flush_ms": "1000",
        "transactional": 1,
        "troubles": ("process crash", "crash of all"),
    },
    "all crash ahead": {**SPREAD, **BUSY, **QUIET, "flush_ms": "1000", "careless": 0},
    "marker at the tail": {
        **SPREAD,
        **QUIET,
        "partitions": 1,
        "careless": 0,
        "transactional": 2,
        "rare": ("watermarks written all the time",),
    },
    "empty directory in E": {**SPREAD, **BUSY, "rare": ("impatient leaders",)},
    "mode changed, one slow": {
        **SPREAD,
        **BUSY,
        **QUIET,
        "flush_ms": "1000",
        "sync_ms_means": (1.0, 1.0, 1.0),
    },
    "fetch of a life before": {**SPREAD, **QUIET, "partitions": 1, "careless": 0},
    "fetch of an epoch before": {**SPREAD, **QUIET, "partitions": 1, "careless": 0},
    "wish of an epoch before": {**SPREAD, **QUIET, **BUSY},
    "move": {
        "replication_factor": 2,
        "careless": 1,
        "chores": ("move",),
        "troubles": ("slow disk", "process crash"),
    },
    "coordinator lost": {**GROUPS, "partitions": 2},
    "markers held up": {**GROUPS, "partitions": 2, "members": (), "transactional": 4},
    "decision held up": {**GROUPS, **SPREAD, "partitions": 2, "members": (), "transactional": 4},
    "client held up": {**GROUPS, "partitions": 2},
    "topic made, power lost": {
        "is_synced": True,
        "chores": ("topic made or deleted",),
        "has_compacted": False,
    },
    "failed sync": {"is_synced": True, "careless": 1, "chores": ()},
    "wall clock jump": {**GROUPS, "partitions": 1},
    "compaction": {
        "has_compacted": True,
        "chores": (),
        "replication_factor": 3,
        "troubles": ("process crash", "pause"),
    },
}

# Those that came later: each is drawn by itself, so that the seeds of all others stay as they were.
# Nor may their troubles come in worlds that are aimed at nothing.
LATER: Final[Mapping[str, Mapping[str, Any]]] = {
    "role changed in a swap": {
        **SPREAD,
        **QUIET,
        "partitions": 1,
        "careless": 0,
        "has_compacted": True,
        "cleaning_ms_mean": 20.0,
        "sync_ms_means": (1.0, 1.0, 1.0),
    },
    "batch of an epoch before": {
        **QUIET,
        "replication_factor": 3,
        "partitions": 1,
        "careless": 0,
        "has_impatient": True,
    },
    "clock set in a transaction": {**GROUPS, "partitions": 1, "members": ()},
    "decision not committed yet": {
        **GROUPS,
        **SPREAD,
        "partitions": 2,
        "members": (),
        "transactional": 4,
    },
    "all told to stop": {
        **QUIET,
        "is_synced": True,  # E is the ISR then.
        "replication_factor": 3,
        "careless": 0,
        "transactional": 1,
        "sync_ms_means": (1.0, 1.0, 1.0),
    },
    "group turned back, unled": {
        **QUIET,
        "replication_factor": 3,
        "partitions": 4,
        "careless": 0,
        "members": TOLD,
    },
    "group changed, too few in sync": {
        **SPREAD,
        **QUIET,
        "partitions": 2,
        "careless": 0,
        "members": TOLD,
        "rare": ("impatient leaders",),
    },
    "mode changed, leader lost": {**SPREAD, **BUSY, **QUIET, "flush_ms": "1000"},
    "coordinator reads what is compacted": {
        "replication_factor": 3,
        "partitions": 4,
        "members": ("classic", "classic"),
        "transactional": 1,
        "chores": (),
        "has_compacted": False,
        "segment_bytes": "700",
        "cleaning_ms_mean": 20.0,
        "rare": ("shards loaded in small slices",),
        "troubles": ("process crash", "controller resigns"),
    },
    "all stopped, directory lost": {"replication_factor": 3, "chores": ()},
}
LATER_SHARE = 0.015  # of all worlds, for each of them


def drawn(seed: int) -> str:
    """What a world is aimed at; empty: at nothing, as most are."""
    rng = Random(f"{seed} aim")
    if rng.random() < AIMED_SHARE:
        return rng.choice(list(AIMS))
    later = (one for one in LATER if Random(f"{seed} {one}").random() < LATER_SHARE)
    return next(later, "")


def changes_of(aim: str) -> dict[str, Any]:
    """What is different in a world of this aim, its troubles too."""
    return {"aim": aim, "troubles": (aim,), "brokers": VOTERS, **{**AIMS, **LATER}[aim]}
