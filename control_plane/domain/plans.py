"""The plan catalogue: limits, prices, engines. Operators may change prices and limits here.

Source: heroku-contract.md (c), "Ottla's own catalogue". 1 GB is 10^9 bytes, 1 kB 10^3 bytes.
"""

from dataclasses import dataclass
from typing import Literal

from control_plane.domain.durations import DAY_MS, HOUR_MS
from control_plane.domain.errors import Invalid, NotFound, PlanLimit

GB = 10**9
KB = 10**3
CURRENCY = "USD"
PARTITIONS_PER_TOPIC_MAX = 256
ENGINES_OFFERED = ("embedded",)  # those that this version can run

Engine = Literal["embedded", "apache-kafka"]
Tenancy = Literal["dedicated", "shared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One line of the catalogue; None as a limit means none."""

    name: str  # without the service slug
    human_name: str
    tenancy: Tenancy = "dedicated"
    engines: tuple[Engine, ...] = ("embedded",)  # the first is the default
    broker_count: int  # 0: brokers of a shared cluster
    disk_bytes: int
    produce_bytes_per_s: int | None = None
    consume_bytes_per_s: int | None = None
    partition_replicas_max: int
    topics_max: int | None = None
    replication_factor_default: int
    replication_factor_min: int = 1
    replication_factor_max: int
    partitions_default: int
    retention_ms_min: int
    retention_ms_default: int = 24 * HOUR_MS
    retention_ms_max: int
    price_micros_per_month: int  # millionths of a US dollar
    is_offered: bool = False  # False: listed, but this version cannot provision it yet

    @property
    def disk_bytes_per_broker(self) -> int:
        """Each broker's part of the disk that the plan has in all."""
        return self.disk_bytes // max(1, self.broker_count)

    @property
    def partitions_per_topic_max(self) -> int:
        return min(PARTITIONS_PER_TOPIC_MAX, self.partition_replicas_max)


def _basic(n: int, *, disk_gb: int, in_kb: int, out_kb: int, replicas: int, price: int) -> Plan:
    return Plan(
        name=f"basic-{n}",
        human_name=f"Basic {n}",
        tenancy="shared",
        broker_count=0,
        disk_bytes=disk_gb * GB,
        produce_bytes_per_s=in_kb * KB,
        consume_bytes_per_s=out_kb * KB,
        partition_replicas_max=replicas,
        topics_max=40,
        replication_factor_default=3,
        replication_factor_min=3,
        replication_factor_max=3,
        partitions_default=8,
        retention_ms_min=24 * HOUR_MS,
        retention_ms_max=7 * DAY_MS,
        price_micros_per_month=price * 10**6,
    )


def _dedicated(
    family: str, n: int, *, brokers: int, disk_gb: int, days_max: int, price: int
) -> Plan:
    engines: tuple[Engine, ...] = ("embedded", "apache-kafka")
    return Plan(
        name=f"{family}-{n}",
        human_name=f"{family.capitalize()} {n}",
        engines=engines if family == "standard" else engines[::-1],
        broker_count=brokers,
        disk_bytes=disk_gb * GB,
        partition_replicas_max=4_000 * brokers,
        replication_factor_default=3,
        replication_factor_max=brokers,
        partitions_default=32,
        retention_ms_min=6 * HOUR_MS,
        retention_ms_max=days_max * DAY_MS,
        price_micros_per_month=price * 10**6,
        is_offered=family == "standard",
    )


_MINI = Plan(
    name="mini-0",
    human_name="Mini 0",
    broker_count=1,
    disk_bytes=5 * GB,
    partition_replicas_max=200,
    topics_max=100,
    replication_factor_default=1,
    replication_factor_max=1,
    partitions_default=8,
    retention_ms_min=HOUR_MS,
    retention_ms_max=7 * DAY_MS,
    price_micros_per_month=5 * 10**6,
    is_offered=True,
)

# In the order in which a customer grows.
PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        _MINI,
        _basic(0, disk_gb=4, in_kb=64, out_kb=256, replicas=240, price=10),
        _basic(1, disk_gb=32, in_kb=512, out_kb=2048, replicas=480, price=40),
        _basic(2, disk_gb=64, in_kb=4096, out_kb=16384, replicas=960, price=120),
        _dedicated("standard", 0, brokers=3, disk_gb=150, days_max=14, price=150),
        _dedicated("standard", 1, brokers=3, disk_gb=300, days_max=14, price=300),
        _dedicated("standard", 2, brokers=3, disk_gb=900, days_max=14, price=700),
        _dedicated("extended", 0, brokers=8, disk_gb=400, days_max=42, price=500),
        _dedicated("extended", 1, brokers=8, disk_gb=800, days_max=42, price=1000),
        _dedicated("extended", 2, brokers=8, disk_gb=2400, days_max=42, price=2000),
    )
}
DEFAULT_PLAN = "mini-0"


def is_offered(plan: Plan, *, offer_extended: bool = False) -> bool:
    """Whether this version can provision it. Extended plans on the embedded engine are a choice of

    whoever runs the service: eight brokers want machines to be on.
    """
    return plan.is_offered or (offer_extended and plan.name.startswith("extended-"))


def plan_named(name: str, slug: str) -> Plan:
    """Find a plan by `mini-0`, `ottla-kafka:mini-0`, or the slug alone (the default plan).

    Raises NotFound, listing the plans there are.
    """
    bare = name.removeprefix(f"{slug}:") if name != slug else DEFAULT_PLAN
    if (plan := PLANS.get(bare)) is None:
        known = ", ".join(f"{slug}:{known}" for known in PLANS)
        raise NotFound(f"Couldn't find the plan {name!r}. Plans: {known}.", field="plan")
    return plan


def next_plan_for(
    plan: Plan, *, replication_factor: int = 1, retention_ms: int = 0, topics: int = 0
) -> Plan | None:
    """Return the next plan up with brokers of its own that allows all that is asked, if any."""
    names = list(PLANS)
    for name in names[names.index(plan.name) + 1 :]:
        larger = PLANS[name]
        if (
            larger.tenancy == "dedicated"
            and larger.replication_factor_max >= replication_factor
            and larger.retention_ms_max >= retention_ms
            and (larger.topics_max is None or larger.topics_max >= topics)
            and larger.partition_replicas_max > plan.partition_replicas_max
        ):
            return larger
    return None


def limit_error(sentence: str, *, field: str, larger: Plan | None) -> PlanLimit:
    """Build the refusal: what the plan allows, and the plan that would allow more."""
    remedy = f" The next plan that allows it is {larger.name}." if larger else ""
    return PlanLimit(f"{sentence}{remedy}", field=field)


def engine_of(plan: Plan, asked: str | None) -> Engine:
    """Choose the engine: the plan's first that this version runs, or the one asked for."""
    if asked is None:
        can_run = [engine for engine in plan.engines if engine in ENGINES_OFFERED]
        return (can_run or list(plan.engines))[0]
    for engine in plan.engines:
        if engine == asked:
            return engine
    raise Invalid(
        f"Plan {plan.name} runs on {' or '.join(plan.engines)}, not on {asked!r}.", field="engine"
    )
