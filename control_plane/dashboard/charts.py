"""Series as the charts want them: column arrays for scripts, polylines for pictures.

A bucket without a sample is None and a gap in the line; nothing is drawn as zero for want of data.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

Series = Sequence[float | None]


def runs(series: Series) -> Iterator[list[tuple[int, float]]]:
    """Yield the stretches of present values as (position, value) lists."""
    present = enumerate(series)
    for is_there, run in groupby(present, key=lambda item: item[1] is not None):
        if is_there:
            yield [(at, value) for at, value in run if value is not None]


def polylines(series: Series, *, width: float, height: float, top: float) -> list[str]:
    """Turn values into SVG point lists, one for each stretch; `top` is the value at the upper edge.

    A single value between two gaps becomes a short stroke, so that it is seen at all.
    """
    step = width / max(len(series) - 1, 1)
    lines = []
    for run in runs(series):
        points = [(at * step, height - 1 - value / top * (height - 2)) for at, value in run]
        if len(points) == 1:
            points.append((points[0][0] + step / 2, points[0][1]))
        lines.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
    return lines


def top_of(*series: Series) -> float:
    """The greatest value of all series, at least 1, so that an idle line lies at the bottom."""
    return max([1.0, *(value for values in series for value in values if value is not None)])


def sparkline(series: Series) -> list[str]:
    return polylines(series, width=100, height=24, top=top_of(series))


def columns(times_s: Sequence[int], *series: Series) -> dict[str, list[object]]:
    """Column arrays for the chart: {"t": [Unix seconds], "series": [[values or null], ...]}."""
    rounded = [[None if v is None else round(v, 3) for v in values] for values in series]
    return {"t": list(times_s), "series": list(rounded)}
