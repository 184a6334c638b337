"""The list as text: for a terminal, for docs/SEMANTICS.md, for programs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.semantics.verdict import FAILING, OPEN, REASONED, TESTED, ItemVerdict, totals

SIGNS: Final = {TESTED: "✓", REASONED: "–", OPEN: "○", FAILING: "✗"}
HEAD: Final = """# Semantics

What the broker does as Apache Kafka does it: 98 behaviours in clauses, each held by at least one
test. Written by `make semantics ARGS=--write`, and compared by a test. ✓ tested, – left out on
purpose, ○ open: its test comes with what is still being built, ✗ nothing shows it yet. Which tests
hold a clause: `make semantics`, which runs them, or `make semantics ARGS=--list`.

"""

DIFFERENCES: Final = """
## Where it answers otherwise than Apache Kafka 4.3

On purpose, and found by asking both the same: requests of every kind, good and bad, with and
without rights, compared code by code. Texts and the order of rows are left out, and so is what came
with 4.3 alone, such as assignments of consumer groups that are made some time after a heartbeat.

- A row of Fetch with an error tells the watermarks, where Kafka tells -1; and Produce says in words
  what it refuses, where Kafka mostly gives the code alone.
- zstd is not given to a Fetch below v10 (76); Kafka 4 sends it all the same.
- A batch of an unknown codec is 76, no batch at all 87, an unknown operation on a config 42: Kafka
  answers -1, or nothing.
- A negative limit of bytes in Fetch counts as 0; Kafka answers -1.
- A name that stands twice in DeleteTopics or CreatePartitions gets a row each time.
- Who may describe but not delete a topic that is not there hears 29 from DeleteTopics; Kafka: 3.
- Clients do not create the coordinators' topics.
- A config key that would not be obeyed is unknown: levels of compression, remote storage, throttled
  replicas, and brokers' keys that nobody reads.
- A broker without a rack is in the rack of its machine.
"""


def total_line(verdicts: Sequence[ItemVerdict]) -> str:
    found = totals(verdicts)
    line = " / ".join(f"{name} {found[name]}" for name in (TESTED, REASONED, FAILING))
    if not found[OPEN]:
        return line
    waiting: dict[str, int] = {}
    for one in verdicts:
        if one.state == OPEN:
            for name in one.open_for:
                waiting[name] = waiting.get(name, 0) + 1
    told = ", ".join(f"{count} for {name}" for name, count in waiting.items())
    return f"{line} (of these open: {told})"


def plain(verdicts: Sequence[ItemVerdict]) -> Iterator[str]:
    """Each item, its clauses, and the tests of each with what became of them."""
    for one in verdicts:
        state = one.state if one.state != OPEN else f"{OPEN} ({', '.join(one.open_for)})"
        yield f"{one.item.number:3} {state:9} {one.item.title} [{one.item.source}]"
        for found in one.clauses:
            why = found.clause.reason or (found.clause.open_for if not found.tests else "")
            yield f"    {SIGNS[found.state]} {found.key:4} {found.clause.text}" + (
                f" ({why})" if why else ""
            )
            yield from (f"             {outcome:8} {test}" for test, outcome in found.tests.items())
    yield total_line(verdicts)


def markdown(verdicts: Sequence[ItemVerdict]) -> str:
    """The whole document."""
    lines = [f"**{total_line(verdicts)}**", "", "| | behaviour | clauses |", "|--:|---|---|"]
    for one in verdicts:
        clauses = "<br>".join(
            f"{SIGNS[found.state]} {found.clause.text}{_why(found.clause.reason)}"
            for found in one.clauses
        )
        lines.append(f"| {one.item.number} | {one.item.title} | {clauses.replace('|', '&#124;')} |")
    return HEAD + "\n".join(lines) + "\n" + DIFFERENCES


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""


def as_json(verdicts: Sequence[ItemVerdict]) -> dict[str, Any]:
    return {
        "totals": totals(verdicts),
        "items": [
            {
                "number": one.item.number,
                "title": one.item.title,
                "source": one.item.source,
                "state": one.state,
                "clauses": [
                    {
                        "key": found.key,
                        "text": found.clause.text,
                        "state": found.state,
                        "reason": found.clause.reason,
                        "open_for": found.clause.open_for,
                        "tests": dict(found.tests),
                    }
                    for found in one.clauses
                ],
            }
            for one in verdicts
        ],
    }
