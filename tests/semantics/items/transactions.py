"""Transactions."""

from tests.semantics.item import item

ITEMS = (
    item(
        65,
        "InitProducerId",
        "KIP-98, KIP-360",
        a="a transactional id belongs to a partition of __transaction_state",
        b="each call raises the epoch",
        c="an open transaction is aborted first: CONCURRENT_TRANSACTIONS until it is",
        d="an exhausted epoch brings a new producer id",
        e="v3+ resumes with the id and epoch it names",
    ),
    item(
        66,
        "Timeouts",
        "TransactionCoordinator",
        a="above transaction.max.timeout.ms (900000): INVALID_TRANSACTION_TIMEOUT",
        b="a transaction whose time is up is aborted at a higher epoch",
    ),
    item(
        67,
        "States",
        "TransactionCoordinator",
        a="only the table's moves are made, under Kafka's names",
        b="the decision is durable before the first marker",
        c="markers are tried until they are written, also after a restart",
    ),
    item(
        68,
        "Markers",
        "ControlRecordType",
        a="a control batch of one record, bits 4 and 5 set, in Kafka's key and value",
        b="it takes one offset, so the end is data + 1",
        c="an older coordinator epoch is TRANSACTION_COORDINATOR_FENCED",
    ),
    item(
        69,
        "Last stable offset",
        "ProducerStateManager, TransactionIndex",
        a="the first offset of an open transaction, or of one whose marker is not committed yet",
        b="else the high watermark",
        c="an index per segment of what was aborted",
        d="a fetch lists every aborted transaction that overlaps, and no reader sees one",
    ),
    item(
        70,
        "Offsets in transactions",
        "KIP-447",
        a="pending until the marker",
        b="dropped by an abort",
        c="TxnOffsetCommit v3+ is fenced by member and generation",
    ),
    item(
        71,
        "KIP-890",
        "KIP-890",
        a="a first write is verified with the coordinator, for old clients too",
        b="each end raises the epoch under transaction.version 2",
        c="Produce v12 and TxnOffsetCommit v5 join partitions by themselves",
        d="a late EndTxn never ends the next transaction",
    ),
    item(
        72,
        "EndTxn again",
        "TransactionCoordinator",
        a="the same outcome succeeds",
        b="the other one is INVALID_TXN_STATE",
    ),
)
