"""From the outcomes of tests to the state of clauses and items."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.semantics.item import Clause, Item
from tests.semantics.marks import Claims

TESTED: Final = "tested"
REASONED: Final = "reasoned"
OPEN: Final = "open"
FAILING: Final = "failing"

PASSED: Final = "passed"
Outcomes = Mapping[str, str]  # node id without parameters -> "passed", or what happened instead


@dataclass(frozen=True, slots=True)
class ClauseVerdict:
    """One clause: its state, and its tests with what became of each."""

    key: str
    clause: Clause
    state: str
    tests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """One item: as bad as its worst clause."""

    item: Item
    clauses: Sequence[ClauseVerdict]

    @property
    def state(self) -> str:
        states = {one.state for one in self.clauses}
        for worst in (FAILING, OPEN, TESTED):
            if worst in states:
                return worst
        return REASONED

    @property
    def open_for(self) -> list[str]:
        """What this item waits for, each once."""
        names = [one.clause.open_for for one in self.clauses if one.state == OPEN]
        return list(dict.fromkeys(names))


def judge(items: Sequence[Item], claims: Claims, outcomes: Outcomes) -> list[ItemVerdict]:
    """A claimed clause is tested if every test that claims it was run and passed."""
    return [
        ItemVerdict(
            one,
            [
                _judge(key, clause, claims.get(key, []), outcomes)
                for key, clause in zip(one.clause_keys(), one.clauses.values(), strict=True)
            ],
        )
        for one in items
    ]


def _judge(key: str, clause: Clause, tests: Sequence[str], outcomes: Outcomes) -> ClauseVerdict:
    found = {test: outcomes.get(test, "not run") for test in tests}
    if found:
        state = TESTED if set(found.values()) == {PASSED} else FAILING
    elif clause.reason:
        state = REASONED
    else:
        state = OPEN if clause.open_for else FAILING
    return ClauseVerdict(key, clause, state, found)


def totals(verdicts: Sequence[ItemVerdict]) -> dict[str, int]:
    """How many items are tested, reasoned and failing; what is open is failing."""
    counts = Counter(one.state for one in verdicts)
    return {
        TESTED: counts[TESTED],
        REASONED: counts[REASONED],
        FAILING: counts[FAILING] + counts[OPEN],
        OPEN: counts[OPEN],
    }
