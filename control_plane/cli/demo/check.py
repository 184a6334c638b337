"""Does what came out equal what went in? Pure: flights and what was read, in; findings, out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from control_plane.cli.demo.flights import Flight, line_of
from control_plane.cli.demo.stream import StreamResult

SHOWN_MAX = 3


@dataclass(slots=True)
class Verdict:
    """What the checks found; `differences` empty means every record is right."""

    records_in: int = 0
    records_out: int = 0
    redelivered: int = 0
    differences: list[str] = field(default_factory=list)


def check(flights: Iterable[Flight], result: StreamResult) -> Verdict:
    """Compare as a multiset of (line, carrier), then order per key, duplicates and lag."""
    verdict = Verdict()
    sent = Counter((flight.line, flight.carrier) for flight in flights)
    verdict.records_in = sum(sent.values())

    # The same partition and offset twice is a redelivery, which a group may see after a rebalance;
    # the same line at two offsets is a duplicate in the log, which idempotence must prevent.
    distinct: dict[tuple[int, int], tuple[bytes, bytes]] = {}
    for member in result.members:
        for partition, offset, key, value in member.records:
            if (partition, offset) in distinct:
                verdict.redelivered += 1
            distinct[partition, offset] = (key, value)
    read = Counter((line_of(value), key.decode()) for key, value in distinct.values())
    verdict.records_out = sum(read.values())

    _report(verdict, "missing", sent - read)
    _report(verdict, "not sent, or twice in the log", read - sent)
    _check_order(verdict, distinct)
    _check_offsets(verdict, result)
    return verdict


def _report(verdict: Verdict, what: str, found: Counter[tuple[int, str]]) -> None:
    if found:
        examples = ", ".join(
            f"line {line} ({carrier})" for line, carrier in list(found)[:SHOWN_MAX]
        )
        verdict.differences.append(f"{sum(found.values())} records {what}: {examples}")


def _check_order(verdict: Verdict, distinct: dict[tuple[int, int], tuple[bytes, bytes]]) -> None:
    """Lines were sent in rising order, so within a key offsets must rise with them."""
    last: dict[bytes, tuple[int, int]] = {}
    for partition, offset in sorted(distinct):
        key, value = distinct[partition, offset]
        line = line_of(value)
        if key in last and (last[key][0] != partition or last[key][1] >= line):
            verdict.differences.append(
                f"order of key {key.decode()} broken at partition {partition} offset {offset}"
            )
            return
        last[key] = (partition, line)


def _check_offsets(verdict: Verdict, result: StreamResult) -> None:
    if result.acknowledged != verdict.records_in:
        verdict.differences.append(
            f"{verdict.records_in} records sent, {result.acknowledged} acknowledged"
        )
    if (in_log := sum(result.end_offsets.values())) != verdict.records_in:
        verdict.differences.append(f"the log holds {in_log} records for {verdict.records_in} sent")
    if result.lag:
        verdict.differences.append(f"the group's lag is {result.lag}, not 0")
    for number, member in enumerate(result.members):
        if not member.commits_while_writing:
            verdict.differences.append(f"member {number} did not commit while writing went on")
