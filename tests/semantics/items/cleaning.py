"""Retention, deletion and compaction."""

from tests.semantics.item import item

ITEMS = (
    item(
        45,
        "Retention",
        "UnifiedLog",
        a="by time a segment goes by its latest timestamp; the active one rolls first",
        b="retention.bytes holds for each partition",
        c="the log start moves along",
        d="DeleteRecords moves it at most to the high watermark, which -1 names",
    ),
    item(
        46,
        "Compaction",
        "LogCleaner",
        a="offsets stay, and the last record of each key",
        b="the active segment is never touched",
        c="min.compaction.lag.ms, max.compaction.lag.ms and min.cleanable.dirty.ratio are honoured",
        d="the last batch of a producer stays, empty if need be",
    ),
    item(
        47,
        "Tombstones and markers",
        "KIP-534",
        a="a tombstone lives delete.retention.ms after its first cleaning: the batch's horizon",
        b="a marker goes after all data of its transaction, past its horizon",
    ),
    item(
        48,
        "Gaps",
        "UnifiedLog",
        a="a fetch in a gap returns the next batch",
        b="high watermark and log end do not shrink when the last record is gone",
    ),
    item(
        49,
        "compact,delete",
        "LogConfig",
        a="both run",
        b="APPEND to the default policy gives both",
    ),
)
