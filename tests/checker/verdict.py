"""Judge a history: valid, bad, or unknown because too little happened to judge by."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.checker.allowed import count_allowed
from tests.checker.anomalies import Anomaly, Findings, collect
from tests.checker.gaps import gap_report
from tests.checker.history import OK, History
from tests.checker.invariants import ALL
from tests.checker.views import Views

OK_SENDS_MIN = 1_000
FINAL_LIBRARIES_MIN = 2
LIBRARY_SHARE_MIN = 10  # of the acknowledged sends asked for, one tenth is each producing library's

Valid = bool | Literal["unknown"]
EXIT_CODES: dict[Valid, int] = {True: 0, False: 1, "unknown": 2}


@dataclass(frozen=True, slots=True)
class Demands:
    """What a run must have done before its silence counts as a pass."""

    ok_sends_min: int = OK_SENDS_MIN
    faults_min: int | None = None  # None: what the run itself had planned
    final_libraries_min: int = FINAL_LIBRARIES_MIN


@dataclass(slots=True)
class Verdict:
    """What result.json says, as an object."""

    valid: Valid
    unknown_because: list[str]
    anomalies: dict[str, Findings]
    views: Views
    allowed: dict[str, int]
    faults: dict[str, int]
    gaps: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.valid]


def judge(history: History, demands: Demands = Demands()) -> Verdict:
    """Run every invariant. Bad beats unknown: an anomaly stands, however little was done."""
    views = Views(history)
    anomalies = collect(each for check in ALL.values() for each in check(views))
    reasons = list(missing(history, demands))
    valid: Valid = False if anomalies else "unknown" if reasons else True
    return Verdict(
        valid=valid,
        unknown_because=reasons,
        anomalies=anomalies,
        views=views,
        allowed=count_allowed(views),
        faults=dict(Counter(fault.name for fault in history.faults)),
        gaps=gap_report(views),
    )


def missing(history: History, demands: Demands) -> Iterable[str]:
    """Say what keeps a silent history from being a pass: no load, no faults, no final read."""
    ok_sends = sum(state == OK for state in history.sends.state)
    if ok_sends < demands.ok_sends_min:
        yield f"{ok_sends} acknowledged sends, {demands.ok_sends_min} needed"
    for library, count in taken_of_libraries(history).items():
        if count < demands.ok_sends_min // LIBRARY_SHARE_MIN:
            yield f"only {count} sends of {library}'s producers acknowledged"
    planned = demands.faults_min
    if planned is None:
        planned = max(1, int(history.meta.get("faults_planned", 1)))
    if len(history.faults) < planned:
        yield f"{len(history.faults)} faults done, {planned} planned"
    sent_to = {history.partitions[number] for number in set(history.sends.partition)}
    for partition in sorted(sent_to):
        readers = {
            (history.clients[chunk.process].library, chunk.is_committed)
            for chunk in history.chunks.get(partition, ())
            if chunk.is_final
        }
        libraries = {library for library, _ in readers}
        if len(libraries) < demands.final_libraries_min or len({c for _, c in readers}) < 2:
            yield f"{partition}: no final read by {demands.final_libraries_min} libraries"


def taken_of_libraries(history: History) -> Counter[str]:
    """Count what plain producers were acknowledged, by library; one that got nothing is there, too.

    A library that gave up at its start would else leave a run that looks whole.
    """
    producing = {name: one for name, one in history.clients.items() if one.role == "produce"}
    found = Counter({one.library: 0 for one in producing.values()})
    for process, state in zip(history.sends.process, history.sends.state, strict=True):
        client = producing.get(history.processes[process])
        if client is not None and state == OK:
            found[client.library] += 1
    return found


def all_anomalies(verdict: Verdict) -> list[Anomaly]:
    """Every witness that was kept, by type and size."""
    return [one for found in verdict.anomalies.values() for one in found.witnesses]
