"""Plan time and what it costs, exact to the micro-unit."""

from control_plane.api.schemas.bodies import Moment, Out
from control_plane.domain.pricing import Line
from control_plane.models import Addon
from control_plane.services.usage import Cost


class UsageLine(Out):
    """One plan at one price in one calendar month (UTC)."""

    month_start: Moment
    plan: str
    price_micros_per_month: int
    plan_seconds: float
    amount_micros: int


class UsageOut(Out):
    addon_id: str
    since: Moment | None  # null: not yet available, so nothing is counted
    until: Moment
    plan_seconds: float
    amount_micros: int
    currency: str
    lines: list[UsageLine]


def _line(line: Line) -> UsageLine:
    return UsageLine(
        month_start=line.month_start,
        plan=line.plan,
        price_micros_per_month=line.price_micros_per_month,
        plan_seconds=float(line.seconds),
        amount_micros=line.amount_micros,
    )


def usage_out(addon: Addon, cost: Cost) -> UsageOut:
    return UsageOut(
        addon_id=str(addon.id),
        since=cost.since,
        until=cost.until,
        plan_seconds=float(cost.plan_seconds),
        amount_micros=cost.amount_micros,
        currency=cost.currency,
        lines=[_line(line) for line in cost.lines],
    )
