"""The add-on service and its plans; read from the catalogue, the same for everyone."""

from fastapi import APIRouter

from control_plane.api.schemas.plans import PlanOut, ServiceOut, id_of, plan_out, service_out
from control_plane.domain.plans import DEFAULT_PLAN, PLANS, is_offered
from control_plane.http.context import ContextDep
from control_plane.http.errors import not_found
from control_plane.http.units import TransactionRoute
from control_plane.settings import Settings

router = APIRouter(prefix="/addon-services", tags=["plans"], route_class=TransactionRoute)


def _check_service(service: str, slug: str) -> None:
    if service not in {slug, id_of(slug)}:
        raise not_found("add-on service")


def _plans(settings: Settings) -> list[PlanOut]:
    return [
        plan_out(
            plan,
            settings.addon_slug,
            is_default=plan.name == DEFAULT_PLAN,
            offered=is_offered(plan, offer_extended=settings.extended_plans),
        )
        for plan in PLANS.values()
    ]


@router.get("")
def list_services(context: ContextDep) -> list[ServiceOut]:
    return [service_out(context.settings.addon_slug)]


@router.get("/{service}")
def read_service(service: str, context: ContextDep) -> ServiceOut:
    _check_service(service, context.settings.addon_slug)
    return service_out(context.settings.addon_slug)


@router.get("/{service}/plans")
def list_plans(service: str, context: ContextDep) -> list[PlanOut]:
    """Plans in the order in which a customer grows."""
    _check_service(service, context.settings.addon_slug)
    return _plans(context.settings)


@router.get("/{service}/plans/{plan}")
def read_plan(service: str, plan: str, context: ContextDep) -> PlanOut:
    slug = context.settings.addon_slug
    _check_service(service, slug)
    for known in _plans(context.settings):
        if plan in {known.id, known.name, known.name.removeprefix(f"{slug}:")}:
            return known
    raise not_found("plan")
