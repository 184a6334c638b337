"""What a measurement says, beside what it should say."""

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One row of the report.

    samples: N measurements in `unit`, of which the least counts (the machine is shared: neighbours
    only ever add). target: the most it may be, or the least where more is better; None: no target.
    """

    name: str
    unit: str
    target: float | None = None
    is_more_better: bool = False
    samples: list[float] = field(default_factory=list)
    note: str = ""
    why: str = ""  # printed where the target is missed: what was tried, what the profile says

    @property
    def best(self) -> float:
        return max(self.samples) if self.is_more_better else min(self.samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def worst(self) -> float:
        return min(self.samples) if self.is_more_better else max(self.samples)

    @property
    def verdict(self) -> str:
        """met, MISSED, or nothing where no target is set."""
        if self.target is None:
            return ""
        is_met = self.best >= self.target if self.is_more_better else self.best <= self.target
        return "met" if is_met else "MISSED"

    def row(self) -> tuple[str, ...]:
        sign = ">=" if self.is_more_better else "<="
        target = "" if self.target is None else f"{sign} {shown(self.target)}"
        return (
            self.name,
            self.unit,
            target,
            shown(self.best),
            shown(self.median),
            shown(self.worst),
            str(len(self.samples)),
            self.verdict,
            self.note,
        )


def reasons(figures: Sequence[Figure]) -> list[str]:
    """A paragraph for each figure that is missed."""
    return [
        textwrap.fill(f"{figure.name}: {figure.why}", 100, subsequent_indent="  ")
        for figure in figures
        if figure.verdict == "MISSED" and figure.why
    ]


HEADINGS = ("figure", "unit", "target", "best", "median", "worst", "N", "", "")


def shown(value: float) -> str:
    """Three figures, as a person would write them."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need be; the first one is text, numbers are set to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at in (0, 1, 7, 8) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
