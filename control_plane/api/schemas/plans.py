"""The add-on service and its plans, with limits beside Heroku's fields."""

import uuid

from control_plane.api.schemas.bodies import Named, Out
from control_plane.domain.plans import CURRENCY, Plan

# Plans live in the code, not in the database: their ids follow from their names.
_NAMESPACE = uuid.UUID("6f74746c-6100-4000-8000-706c616e7300")
SERVICE_HUMAN_NAME = "Ottla Kafka"


class Price(Out):
    cents: int
    unit: str = "month"
    contract: bool = False
    metered: bool = False


class PlanReference(Out):
    id: str
    name: str  # with the service: ottla-kafka:mini-0
    human_name: str
    price: Price


class PlanLimits(Out):
    broker_count: int
    disk_bytes: int
    produce_bytes_per_s: int | None
    consume_bytes_per_s: int | None
    partition_replicas_max: int
    topics_max: int | None
    replication_factor_default: int
    replication_factor_min: int
    replication_factor_max: int
    partitions_default: int
    partitions_per_topic_max: int
    retention_ms_min: int
    retention_ms_default: int
    retention_ms_max: int


class PlanOut(PlanReference):
    addon_service: Named
    default: bool
    description: str
    state: str  # "ga", or "planned": in the catalogue, not yet to be had
    visible: bool = True
    tenancy: str
    engines: list[str]
    limits: PlanLimits
    price_micros_per_month: int
    currency: str


class ServiceOut(Out):
    id: str
    name: str
    human_name: str = SERVICE_HUMAN_NAME
    cli_plugin_name: str | None = None
    state: str = "ga"
    supports_multiple_installations: bool = True
    supports_sharing: bool = True


def id_of(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def price_of(plan: Plan) -> Price:
    return Price(cents=plan.price_micros_per_month // 10_000)


def plan_reference(plan: Plan, slug: str) -> PlanReference:
    name = f"{slug}:{plan.name}"
    return PlanReference(
        id=id_of(name), name=name, human_name=plan.human_name, price=price_of(plan)
    )


def service_name(slug: str) -> Named:
    return Named(id=id_of(slug), name=slug)


def service_out(slug: str) -> ServiceOut:
    return ServiceOut(id=id_of(slug), name=slug)


def plan_out(plan: Plan, slug: str, *, is_default: bool, offered: bool) -> PlanOut:
    limits = {name: getattr(plan, name) for name in PlanLimits.model_fields}
    reference = plan_reference(plan, slug)
    return PlanOut(
        id=reference.id,
        name=reference.name,
        human_name=reference.human_name,
        price=reference.price,
        addon_service=service_name(slug),
        default=is_default,
        description=_description(plan, offered),
        state="ga" if offered else "planned",
        tenancy=plan.tenancy,
        engines=list(plan.engines),
        limits=PlanLimits(**limits),
        price_micros_per_month=plan.price_micros_per_month,
        currency=CURRENCY,
    )


def _description(plan: Plan, is_offered: bool) -> str:
    if plan.tenancy == "shared":
        brokers = "shared brokers"
    else:
        brokers = "1 broker" if plan.broker_count == 1 else f"{plan.broker_count} brokers"
    note = "" if is_offered else " (planned)"
    return f"{plan.human_name}: {brokers}, {plan.disk_bytes // 10**9} GB{note}"
