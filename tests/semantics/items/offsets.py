"""Offsets by time."""

from tests.semantics.item import item

ITEMS = (
    item(
        41,
        "ListOffsets",
        "KIP-79, KIP-734",
        a="-1 is the high watermark, or the last stable offset under read_committed",
        b="-2 is the log start",
        c="-3 (v7) is the first record with the latest timestamp",
        d="-4 (v8) is the log start and -5 nothing, for there are no tiers",
        e="a time finds the first record at or after it, with that record's timestamp",
        f="and the leader epoch of that record's batch, not the current one",
    ),
    item(
        42,
        "Exactness",
        "UnifiedLog",
        a="no match is offset -1, timestamp -1 and no error",
        b="the record is found within its batch, in every codec",
    ),
    item(
        43,
        "ListOffsets v0",
        "ListOffsetsRequest",
        a="is not advertised, and closes: its offsets by time mean the opposite",
    ),
    item(
        44,
        "After an election",
        "KIP-207",
        a="below the epoch's start the end is OFFSET_NOT_AVAILABLE",
        b="LEADER_NOT_AVAILABLE below v5",
        c="the log start is told all the same",
    ),
)
