"""Rare paths of production that some worlds force, from outside of it (FoundationDB's "buggify").

A limit that production meets once in a million requests is made so small that it is met all the
time, and at the points marked in machine.py and disk.py things come late or earlier than they need.
Production code knows nothing of it. A world has none of them, or a few: all together hide one
another, and a world without any is what production is like on most days.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from random import Random
from types import ModuleType
from typing import NamedTuple
from unittest.mock import patch

from data_plane.broker import (
    log_maker,
    metadata_host,
    parked_fetch,
    replica_table,
    shard_host,
    shard_table,
    transaction_coordinators,
    upkeep,
    watermark_cycle,
)
from data_plane.log import cleaner, log_config, record_scan, recovery, segment, sync
from data_plane.metadata import brokers, controller, elections, producer_ids
from data_plane.raft import leading, node, progress
from data_plane.replication import fetcher, isr_changes, sync_cycle

FORCED_SHARE = 0.6  # of worlds have any
CHOSEN_SHARE = 0.25  # of all there are, in such a world
LATE_SHARE = 0.1  # of what comes to a marked point


class Limit(NamedTuple):
    """A number of production's, and what it is made."""

    owner: ModuleType
    name: str
    value: int


LIMITS: Mapping[str, tuple[Limit, ...]] = {
    "metadata in small slices": (Limit(metadata_host, "ENTRIES_MAX", 1),),
    "small appends of the quorum": (
        Limit(leading, "APPEND_BYTES_MAX", 1),
        Limit(progress, "INFLIGHT_BYTES_MAX", 200),
    ),
    "small parts of snapshots": (Limit(controller, "CHUNK_BYTES_MAX", 120),),
    "nothing kept behind snapshots": (Limit(node, "TAIL_BYTES_MAX", 0),),
    "few producer ids": (Limit(producer_ids, "BLOCK_SIZE", 1),),
    "small transactions of the controller": (
        Limit(brokers, "ROWS_MAX", 1),
        Limit(elections, "BALANCED_AT_ONCE_MAX", 1),
    ),
    "one partition in AlterPartition": (Limit(isr_changes, "PARTITIONS_MAX", 1),),
    "small fetches of followers": (
        Limit(fetcher, "RESPONSE_BYTES_MAX", 300),
        Limit(fetcher, "PARTITION_BYTES_MAX", 120),
        Limit(fetcher, "FAR_BEHIND_BYTES", 60),
    ),
    "shards loaded in small slices": (
        Limit(shard_host, "LOAD_READ_BYTES", 150),
        Limit(shard_host, "LOAD_STEP_RECORDS", 1),
    ),
    "impatient coordinators": (Limit(shard_table, "COMMIT_MS_MAX", 250),),
    "one waits for a transaction's end": (Limit(transaction_coordinators, "WAITING_MAX", 1),),
    "partitions one at a time": (
        Limit(log_maker, "MADE_PER_STEP", 1),
        Limit(log_maker, "DELETED_PER_STEP", 1),
        Limit(replica_table, "OPENED_PER_STEP", 1),
        Limit(replica_table, "LOOKED_AT_PER_STEP", 1),
        Limit(upkeep, "PARTITIONS_PER_STEP", 1),
    ),
    "logs made off the loop": (Limit(log_maker, "MADE_AT_ONCE_MAX", 0),),
    "reads done on the way out": (Limit(parked_fetch, "READ_AT_ONCE_BYTES_MAX", 0),),
    "whole disk synced": (
        Limit(sync, "FDATASYNC_FILES_MAX", 0),
        Limit(sync_cycle, "FDATASYNC_FILES_MAX", 0),
    ),
    "checkpoint behind each batch": (Limit(log_config, "CHECKPOINT_BYTES_MAX", 1),),
    "small windows of reading": (
        Limit(recovery, "WINDOW_BYTES", 100),
        Limit(record_scan, "WINDOW_BYTES", 100),
        Limit(segment, "REBUILD_WINDOW_BYTES", 100),
        Limit(segment, "HINTS_MAX", 1),
        Limit(cleaner, "WRITE_BYTES", 1),
    ),
    "watermarks written all the time": (Limit(watermark_cycle, "INTERVAL_MS", 300),),
}
CONFIGS: Mapping[str, Mapping[str, str]] = {
    "index entries for each batch": {"log.index.interval.bytes": "0"},
    "impatient leaders": {"replica.lag.time.max.ms": "1500"},
}
SNAPSHOTS = "snapshots all the time"
SNAPSHOT_LOG_BYTES_MAX = 300
# Marked points, and how late at most what comes there is. Milliseconds.
LATE_POSTS, LATE_TIMERS, LATE_SYNCS = "late posts", "late timers", "late syncs"
LATE_MS_MAX: Mapping[str, int] = {LATE_POSTS: 60, LATE_TIMERS: 400, LATE_SYNCS: 500}

ALL: tuple[str, ...] = (*LIMITS, *CONFIGS, SNAPSHOTS, *LATE_MS_MAX)
# Of the quorum alone.
QUORUMS = (
    "metadata in small slices",
    "small appends of the quorum",
    "small parts of snapshots",
    "nothing kept behind snapshots",
)


def drawn(seed: int, among: tuple[str, ...] = ALL) -> tuple[str, ...]:
    """The names of what this world forces."""
    rng = Random(f"{seed} rare")
    if rng.random() >= FORCED_SHARE:
        return ()
    return tuple(name for name in among if rng.random() < CHOSEN_SHARE)


@contextmanager
def forced(names: Iterable[str]) -> Iterator[None]:
    """Production with these limits, for as long as this lasts."""
    with ExitStack() as stack:
        for name in names:
            for limit in LIMITS.get(name, ()):
                stack.enter_context(patch.object(limit.owner, limit.name, limit.value))
        yield


def late_ms(rare: Iterable[str], point: str, rng: Random) -> int:
    """By how much what comes to a marked point is late this time; draws nothing where none is."""
    if point not in rare or rng.random() >= LATE_SHARE:
        return 0
    return rng.randrange(LATE_MS_MAX[point])
