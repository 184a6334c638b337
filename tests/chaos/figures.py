"""A figure of reliability.md: its target, what was measured, over how many."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.stopping import Stopping

HEADINGS = ("figure", "what", "N", "measured", "target", "")


class Figure(NamedTuple):
    """One line of the report; `verdict` is met, MISSED, UNKNOWN, NOT RUN, or empty."""

    id: str
    what: str
    n: int
    measured: str
    target: str
    verdict: str

    def row(self) -> tuple[str, ...]:
        return (self.id, self.what, f"{self.n:,}", self.measured, self.target, self.verdict)


def not_run(figure: str, what: str, reason: str) -> Figure:
    return Figure(figure, what, 0, reason, "", "NOT RUN")


def unless_stopped(name: str, figures: Iterable[Figure], stopping: Stopping) -> Iterator[Figure]:
    """Whoever was stopped in the middle has not met what was asked; a promise broken is broken."""
    for one in figures:
        is_short = stopping.is_cut and one.verdict == "met"
        yield one._replace(verdict="UNKNOWN") if is_short else one
    if stopping.is_cut:
        yield Figure("", f"{name} was stopped before its end", 0, "", "", "UNKNOWN")


def table(figures: list[Figure]) -> str:
    rows = [HEADINGS, *(one.row() for one in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
