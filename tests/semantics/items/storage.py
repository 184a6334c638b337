"""What is on the disk, and what happens when it fails."""

from tests.semantics.item import item

ITEMS = (
    item(
        95,
        "Recovery",
        "LogLoader",
        a="from the recovery point each batch is checked: length, checksum, offsets",
        b="the tail is cut behind the last good one",
        c="indexes, epochs and producers are rebuilt",
    ),
    item(
        96,
        "Files",
        "LogSegment",
        a="segments are named by 20 digits of their base offset",
        b="a sparse offset index each index.interval.bytes, a time index, a transaction index",
        c="a snapshot of producers at a roll",
        d="a segment rolls before a relative offset would leave int32",
    ),
    item(
        97,
        "Syncing",
        "durability.md",
        a="with one replica an acknowledged record is synced: the group commit",
        b="Kafka's own rule is an option, and the books say so",
    ),
    item(
        98,
        "A failed sync",
        "LogDirFailureChannel",
        a="is fatal for the directory and never tried again",
        b="nobody is told of success",
        c="the broker ends and says why",
    ),
)
