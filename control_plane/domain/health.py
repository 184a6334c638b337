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
    if not shares or any(s.observed_at is None or now - s.observed_at > SILENCE for s in shares):
        return Health.UNKNOWN, "A node of this cluster has not reported lately."
    problems = [problem for share in shares for problem in share.problems if problem]
    if problems:
        return Health.DEGRADED, " ".join(problems)
    if any(share.phase != "ready" for share in shares):
        return Health.DEGRADED, "Not every broker is ready."
    return Health.HEALTHY, "All brokers are ready."
