"""Reports to cluster health: one word for people, one sentence with the reason."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# An agent reports every few seconds; three missed reports are not yet a silence.
SILENCE = dt.timedelta(seconds=20)


# Conditions that are well when true; any other names a fault, and is well when false.
GOOD_WHEN_TRUE = frozenset({"Ready", "TopicsApplied", "AclsApplied"})
# A broker that moved to another port runs well; one that could not is not `Ready`. A roll to other
# software is no fault while it goes on; a broker that does not come up in it is not `Ready` either.
NOTES = frozenset({"PortTaken", "Upgraded"})


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"  # no fresh report: brokers may well be serving


@dataclass(frozen=True, slots=True)
class Observed:
    """What one node last said of its share of a cluster."""

    phase: str  # a contract Phase
    observed_at: dt.datetime | None
    problems: Sequence[str] = ()  # what `faults` found in its conditions
    node: str = ""  # its name
    broker_ids: Sequence[int] = ()  # of the cluster's brokers, those on it
    out_of_sync_count: int | None = None  # partitions of the whole cluster, as it sees them

    def is_silent(self, now: dt.datetime) -> bool:
        return self.observed_at is None or now - self.observed_at > SILENCE


def faults(conditions: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong, in the node's own words; conditions as in the contract's JSON."""
    return [
        condition["message"] or condition["reason"] or condition["name"]
        for condition in conditions
        if condition["name"] not in NOTES
        and condition["status"] is not (condition["name"] in GOOD_WHEN_TRUE)
    ]


def health_of(shares: Sequence[Observed], now: dt.datetime) -> tuple[Health, str]:
    """Judge a cluster by its shares; returns the health and a sentence."""
    silent = [share for share in shares if share.is_silent(now)]
    if len(silent) == len(shares):
        return Health.UNKNOWN, "A node of this cluster has not reported lately."
    lost = [_lost(share) for share in silent]
    heard = [share for share in shares if share not in silent]
    problems = [*lost, *(problem for share in heard for problem in share.problems if problem)]
    if problems:
        return Health.DEGRADED, " ".join(problems)
    if any(share.phase != "ready" for share in heard):
        return Health.DEGRADED, "Not every broker is ready."
    behind = max((share.out_of_sync_count or 0 for share in heard), default=0)
    if behind:
        return Health.DEGRADED, f"{behind} partitions lack a replica that is in sync."
    return Health.HEALTHY, "All brokers are ready."


def _lost(share: Observed) -> str:
    """One node of several is silent; what the others serve goes on."""
    ids = ", ".join(map(str, share.broker_ids))
    brokers = f"broker {ids}" if len(share.broker_ids) == 1 else f"brokers {ids}"
    return (
        f"Node {share.node} has not reported lately, so {brokers} may be gone; the other brokers "
        "serve on. If it stays away, another node takes over."
    )
