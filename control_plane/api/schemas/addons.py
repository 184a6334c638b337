"""Add-ons in Heroku's shape, with the reason of a failure and the operation at work added."""

from typing import Any

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Named, Out, Reference
from control_plane.api.schemas.operations import OperationOut, operation_out
from control_plane.api.schemas.plans import (
    PlanReference,
    Price,
    plan_reference,
    price_of,
    service_name,
)
from control_plane.domain.plans import PLANS
from control_plane.domain.states import AddonState
from control_plane.models import Addon, Operation


class AttachmentWish(Body):
    name: str | None = Field(default=None, max_length=64)


class AddonCreate(Body):
    plan: Reference | str
    name: str | None = Field(default=None, max_length=64)
    attachment: AttachmentWish | None = None
    config: dict[str, Any] = {}  # what followed `--` on the command line
    confirm: str | None = None

    @property
    def plan_name(self) -> str:
        return self.plan if isinstance(self.plan, str) else self.plan.text


class AddonChange(Body):
    plan: Reference | str

    @property
    def plan_name(self) -> str:
        return self.plan if isinstance(self.plan, str) else self.plan.text


class AddonResolve(Body):
    app: str | None = None
    addon: str = Field(min_length=1, max_length=256)
    addon_service: str | None = None


class BilledPrice(Out):
    cents: int
    unit: str = "month"
    contract: bool = False


class AddonOut(Out):
    id: str
    name: str
    state: str
    reason: str | None  # why it failed, or what holds it up
    plan: PlanReference  # as ordered
    changing_to: str | None  # that plan's name, while the cluster does not have it yet
    addon_service: Named
    app: Named
    billed_price: BilledPrice
    config_vars: list[str]
    provision_message: str | None
    provider_id: str
    web_url: str
    actions: list[Any] = []
    operation: OperationOut | None  # the one that changes it now, or changed it last
    created_at: Moment
    updated_at: Moment


_MESSAGES = {
    AddonState.PROVISIONING: "The cluster is being created in the background. "
    "Its config vars are set when it is ready.",
    AddonState.PROVISIONED: "The cluster is ready.",
    AddonState.DEPROVISIONING: "The cluster is being removed.",
}


_CHANGING = "The plan is being changed in the background; the cluster serves on meanwhile."


def addon_name(addon: Addon) -> Named:
    return Named(id=str(addon.id), name=addon.name)


def addon_out(
    addon: Addon,
    *,
    slug: str,
    public_url: str,
    config_vars: list[str],
    cluster_plan: str | None = None,
    operation: Operation | None = None,
) -> AddonOut:
    plan = PLANS[addon.plan]
    # What is billed is what the cluster has, which follows the order.
    price: Price = price_of(PLANS[cluster_plan or addon.plan])
    is_changing = cluster_plan not in {None, addon.plan} and addon.state == AddonState.PROVISIONED
    reason = addon.state_reason or None
    return AddonOut(
        id=str(addon.id),
        name=addon.name,
        state=addon.state,
        reason=reason,
        plan=plan_reference(plan, slug),
        changing_to=f"{slug}:{addon.plan}" if is_changing else None,
        addon_service=service_name(slug),
        app=Named(id=str(addon.app.id), name=addon.app.name),
        billed_price=BilledPrice(cents=price.cents),
        config_vars=config_vars,
        provision_message=reason
        or (_CHANGING if is_changing else None)
        or _MESSAGES.get(AddonState(addon.state)),
        provider_id=str(addon.id),
        web_url=f"{public_url.rstrip('/')}/clusters/{addon.id}",
        operation=operation_out(operation, addon_name(addon)) if operation else None,
        created_at=addon.created_at,
        updated_at=addon.updated_at,
    )
