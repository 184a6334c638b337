"""Replication and the controller's elections."""

from tests.semantics.item import item

ITEMS = (
    item(
        73,
        "In-sync replicas",
        "KIP-497",
        a="one that has not caught up for replica.lag.time.max.ms goes",
        b="one that has reached watermark and epoch start comes",
        c="both by compare-and-set of the partition epoch",
        d="none counts as gone before the controller has said so",
    ),
    item(
        74,
        "Who may be in sync",
        "KIP-841, KIP-903",
        a="a fenced or stopping broker: INELIGIBLE_REPLICA",
        b="an incarnation that is gone counts for nothing",
    ),
    item(
        75,
        "Order of election",
        "KIP-704",
        a="the preferred one if it is in sync, else the first that is",
        b="unclean only where the topic allows it, then RECOVERING",
        c="a partition whose only replica is fenced has no leader: LEADER_NOT_AVAILABLE",
    ),
    item(
        76,
        "Eligible leader replicas",
        "KIP-966",
        a="who leaves below min.insync.replicas stays electable",
        b="the watermark stands still below min.insync.replicas",
    ),
    item(
        77,
        "Incarnations",
        "KIP-966",
        a="a new incarnation waits for the session of the one before",
        b="after an unclean stop nobody trusts the log end",
        c="the epoch of an incarnation is the offset of its registration",
    ),
    item(
        78,
        "Epochs",
        "PartitionRecord",
        a="a new leader raises the leader epoch",
        b="every change of a partition raises the partition epoch",
    ),
    item(
        79,
        "Elections and moves on demand",
        "KIP-455",
        a="ElectLeaders where the preferred one leads: ELECTION_NOT_NEEDED, a row each",
        b="a reassignment ends when every target is in sync",
        c="cancelling restores what was",
        d="cancelling nothing is NO_REASSIGNMENT_IN_PROGRESS",
    ),
)
