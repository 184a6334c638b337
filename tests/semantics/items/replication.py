"""Replication and the controller's elections."""

from tests.semantics.item import ISSUE_4, item, open_for

ITEMS = (
    item(
        73,
        "In-sync replicas",
        "KIP-497",
        a=open_for(ISSUE_4, "one that has not caught up for replica.lag.time.max.ms goes"),
        b=open_for(ISSUE_4, "one that has reached watermark and epoch start comes"),
        c=open_for(ISSUE_4, "both by compare-and-set of the partition epoch"),
        d=open_for(ISSUE_4, "none counts as gone before the controller has said so"),
    ),
    item(
        74,
        "Who may be in sync",
        "KIP-841, KIP-903",
        a=open_for(ISSUE_4, "a fenced or stopping broker: INELIGIBLE_REPLICA"),
        b=open_for(ISSUE_4, "an incarnation that is gone counts for nothing"),
    ),
    item(
        75,
        "Order of election",
        "KIP-704",
        a=open_for(ISSUE_4, "the preferred one if it is in sync, else the first that is"),
        b=open_for(ISSUE_4, "unclean only where the topic allows it, then RECOVERING"),
        c="a partition whose only replica is fenced has no leader: LEADER_NOT_AVAILABLE",
    ),
    item(
        76,
        "Eligible leader replicas",
        "KIP-966",
        a=open_for(ISSUE_4, "who leaves below min.insync.replicas stays electable"),
        b=open_for(ISSUE_4, "the watermark stands still below min.insync.replicas"),
    ),
    item(
        77,
        "Incarnations",
        "KIP-966",
        a=open_for(ISSUE_4, "a new incarnation waits for the session of the one before"),
        b=open_for(ISSUE_4, "after an unclean stop nobody trusts the log end"),
        c="the epoch of an incarnation is the offset of its registration",
    ),
    item(
        78,
        "Epochs",
        "PartitionRecord",
        a="a new leader raises the leader epoch",
        b=open_for(ISSUE_4, "every change of a partition raises the partition epoch"),
    ),
    item(
        79,
        "Elections and moves on demand",
        "KIP-455",
        a="ElectLeaders where the preferred one leads: ELECTION_NOT_NEEDED, a row each",
        b=open_for(ISSUE_4, "a reassignment ends when every target is in sync"),
        c=open_for(ISSUE_4, "cancelling restores what was"),
        d="cancelling nothing is NO_REASSIGNMENT_IN_PROGRESS",
    ),
)
