"""A figure of reliability.md: its target, what was measured, over how many."""

from typing import NamedTuple

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


def table(figures: list[Figure]) -> str:
    rows = [HEADINGS, *(one.row() for one in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
