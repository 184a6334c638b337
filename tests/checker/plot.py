"""A partition as a picture: time to the right, offset upwards. SVG, without any library."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from tests.checker.history import NEVER, OK
from tests.checker.verdict import Verdict, all_anomalies

WIDTH, HEIGHT, MARGIN = 1200, 640, 48
POINTS_MAX = 4_000  # of each kind: more only makes the file slow to open


class Point(NamedTuple):
    t: int
    offset: int
    title: str


class Scale(NamedTuple):
    """From time and offset to pixels."""

    t0: int
    t1: int
    low: int
    high: int

    def x(self, t: int) -> float:
        share = (min(max(t, self.t0), self.t1) - self.t0) / max(1, self.t1 - self.t0)
        return MARGIN + share * (WIDTH - 2 * MARGIN)

    def y(self, offset: int) -> float:
        share = (offset - self.low) / max(1, self.high - self.low)
        return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def draw(verdict: Verdict, partition: str) -> str:
    """Sends blue, polls grey, what is in a witness red, faults as bands."""
    sent, polled = points_of(verdict, partition)
    marked = marked_offsets(verdict, partition)
    everything = sent + polled
    if not everything:
        return f'<svg xmlns="http://www.w3.org/2000/svg"><title>{escape(partition)}</title></svg>\n'
    scale = Scale(
        min(point.t for point in everything),
        max(point.t for point in everything),
        min(point.offset for point in everything),
        max(point.offset for point in everything),
    )
    red = [point for point in everything if point.offset in marked]
    body = [
        *bands(verdict, scale),
        *dots(thinned(polled), scale, "#999", 1.5),
        *dots(thinned(sent), scale, "#2b6cb0", 2),
        *dots(red[:POINTS_MAX], scale, "#d00", 4),
        *axes(partition, scale),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="monospace" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def points_of(verdict: Verdict, partition: str) -> tuple[list[Point], list[Point]]:
    """Acknowledged sends, and first and last record of each poll's stretch."""
    history = verdict.views.history
    sends = history.sends
    view = verdict.views.by_name.get(partition)
    rows = [] if view is None else view.sends
    sent = [
        Point(sends.done[row], sends.offset[row], f"{sends.value[row]} at {sends.offset[row]}")
        for row in rows
        if sends.state[row] == OK and sends.offset[row] >= 0
    ]
    polled = [
        Point(chunk.t1, offset, f"{chunk.process}: {value} at {offset}")
        for chunk in history.chunks.get(partition, ())
        for offset, value in zip(chunk.offsets, chunk.values, strict=True)
    ]
    return sent, polled


def marked_offsets(verdict: Verdict, partition: str) -> set[int]:
    return {one.rank for one in all_anomalies(verdict) if one.partition == partition}


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    return points[:: 1 + len(points) // POINTS_MAX]


def dots(points: Iterable[Point], scale: Scale, colour: str, radius: float) -> Iterable[str]:
    for point in points:
        yield (
            f'<circle cx="{scale.x(point.t):.1f}" cy="{scale.y(point.offset):.1f}" r="{radius}" '
            f'fill="{colour}"><title>{escape(point.title)}</title></circle>'
        )


def bands(verdict: Verdict, scale: Scale) -> Iterable[str]:
    for fault in verdict.views.history.faults:
        left = scale.x(fault.t0)
        right = scale.x(scale.t1 if fault.t1 == NEVER else fault.t1)
        yield (
            f'<rect x="{left:.1f}" y="{MARGIN}" width="{max(1.0, right - left):.1f}" '
            f'height="{HEIGHT - 2 * MARGIN}" fill="#fde68a"><title>'
            f"{escape(fault.name)}</title></rect>"
        )


def axes(partition: str, scale: Scale) -> Iterable[str]:
    bottom = HEIGHT - MARGIN
    seconds = (scale.t1 - scale.t0) / 1e9
    yield f'<path d="M{MARGIN} {MARGIN}V{bottom}H{WIDTH - MARGIN}" fill="none" stroke="#000"/>'
    yield f'<text x="{MARGIN}" y="{MARGIN - 16}">{escape(partition)}: offset over time</text>'
    yield f'<text x="4" y="{MARGIN}">{scale.high}</text>'
    yield f'<text x="4" y="{bottom}">{scale.low}</text>'
    yield f'<text x="{WIDTH - 2 * MARGIN}" y="{bottom + 20}">{seconds:.1f} s</text>'
