"""What one item of the list of semantics is: a behaviour in clauses, each of which wants a test."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clause:
    """One claim about what a client sees.

    reason: why no test is owed; only for what the project leaves out on purpose (share groups,
    delegation tokens, telemetry, moves between log directories). open_for: what is still to be
    built; it counts as failing until a test claims it.
    """

    text: str
    reason: str = ""
    open_for: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A numbered behaviour. clauses: letter -> claim; a test names them as "13b"."""

    number: int
    title: str
    source: str
    clauses: Mapping[str, Clause]

    def clause_keys(self) -> list[str]:
        return [f"{self.number}{letter}" for letter in self.clauses]


def item(number: int, title: str, source: str, **clauses: str | Clause) -> Item:
    """An item as the tables write it: a bare text is a clause that wants a test."""
    return Item(
        number,
        title,
        source,
        {
            letter: Clause(claim) if isinstance(claim, str) else claim
            for letter, claim in clauses.items()
        },
    )


def reasoned(text: str, reason: str) -> Clause:
    """A clause without a test, about something that the project leaves out on purpose."""
    return Clause(text, reason=reason)


def open_for(what: str, text: str) -> Clause:
    """A clause whose test comes with what is still being built."""
    return Clause(text, open_for=what)
