"""What a command prints: data to stdout, everything else to stderr, JSON when asked."""

import json
import select
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click


def emit_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def has_reader() -> bool:
    """Whether somebody still reads stdout: False once the other end of a pipe was closed."""
    watch = select.poll()
    watch.register(sys.stdout, 0)  # errors are told unasked
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


def hint(text: str) -> None:
    """Progress and next steps: stderr, so that a pipe carries data only."""
    click.echo(text, err=True)


def heading(text: str) -> None:
    click.echo(click.style(f"=== {text}", bold=True))


def fields(pairs: Iterable[tuple[str, Any]]) -> None:
    """`Name:   value` lines, aligned, in Heroku's look; None values are left out."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0) + 1
    for name, value in shown:
        click.echo(f"{name + ':':<{width}} {value}")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Aligned columns; a terminal gets a dim header, a pipe a plain one."""
    text = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(len(column), *(len(row[i]) for row in text)) if text else len(column)
        for i, column in enumerate(columns)
    ]
    header = "  ".join(f"{c:<{w}}" for c, w in zip(columns, widths, strict=True)).rstrip()
    click.echo(click.style(header, dim=True) if sys.stdout.isatty() else header)
    for row in text:
        click.echo("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip())


def utilisation(used: float, limit: float | None, unit: str = "") -> str:
    """`[###.......] 3 / 10 topics`, Heroku's bar; without a limit only the number."""
    suffix = f" {unit}" if unit else ""
    if not limit:
        return f"{used:g}{suffix}"
    filled = min(10, round(10 * used / limit))
    return f"[{'#' * filled}{'.' * (10 - filled)}] {used:g} / {limit:g}{suffix}"


def binary_size(size_bytes: float) -> str:
    """Bytes as B, KiB, MiB or GiB."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} GiB"


def duration(milliseconds: int | None) -> str:
    """Milliseconds in the largest unit that divides them: 86400000 is `1 day`; None `disabled`."""
    if milliseconds is None:
        return "disabled"
    for unit, size in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000)):
        if milliseconds and milliseconds % size == 0:
            count = milliseconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{milliseconds} ms"


def price(plan_price: dict[str, Any]) -> str:
    """`~$0.007/hour (max $5/month)`; an hour is a month divided by 720."""
    cents = plan_price["cents"]
    if not cents:
        return "free"
    return f"~${cents / 100 / 720:.3f}/hour (max ${cents / 100:g}/month)"


def money(amount_micros: int, currency: str = "USD") -> str:
    """Integer micro-units as a decimal text, exact: 6944 is `0.006944 USD`."""
    sign = "-" if amount_micros < 0 else ""
    whole, micros = divmod(abs(amount_micros), 1_000_000)
    return f"{sign}{whole}.{micros:06d} {currency}"
