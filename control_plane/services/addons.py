"""Add-ons: bought, found by any of their names, destroyed."""

import datetime as dt
import random
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control_plane.domain import cluster_states, names, plan_changes, plans
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.errors import Conflict, Gone, Invalid, NotFound
from control_plane.domain.states import AddonState, TopicState
from control_plane.models import Account, Addon, App, Cluster, Operation
from control_plane.services import attachments, events, operations, topics, usage
from control_plane.services.lookup import uuid_from

NAME_TRIES_MAX = 5
OPTIONS = {"engine"}  # what may follow `--` in addons:create


def query(account: Account) -> Select[Addon]:
    """Select the account's add-ons that are not deprovisioned, for a list."""
    return select(Addon).join(App).where(App.account_id == account.id, Addon.deleted_at.is_(None))


def get(session: Session, account: Account, id_or_name: str, *, app: App | None = None) -> Addon:
    """Find an add-on by id or name. Raises NotFound, or Gone if that id was deprovisioned."""
    addon_id = uuid_from(id_or_name)
    by = Addon.id == addon_id if addon_id else Addon.name == id_or_name
    found = select(Addon).join(App, App.id == Addon.app_id).where(App.account_id == account.id, by)
    if app is not None:
        found = found.where(Addon.app_id == app.id)
    if not addon_id:
        found = found.where(Addon.deleted_at.is_(None))
    if (addon := session.scalar(found)) is None:
        raise NotFound("Couldn't find that add-on.")
    if addon.deleted_at is not None:
        raise Gone("That add-on was deprovisioned.")
    return addon


def resolve(
    session: Session, account: Account, text: str, *, slug: str, app: App | None = None
) -> list[Addon]:
    """Find add-ons by id, name, attachment, its `..._URL` var, `app::NAME`, or the service slug."""
    visible = query(account)
    if addon_id := uuid_from(text):
        return list(session.scalars(visible.where(Addon.id == addon_id)))
    named = list(session.scalars(visible.where(Addon.name == text)))
    if named:
        return named
    if text == slug and app is not None:
        return list(session.scalars(visible.where(Addon.app_id == app.id).order_by(Addon.id)))
    links = attachments.resolve(session, account, text, slug=slug, app=app)
    return list({link.addon_id: link.addon for link in links}.values())


def create(
    session: Session,
    app: App,
    *,
    plan: str,
    slug: str,
    now: dt.datetime,
    rng: random.Random,
    name: str | None = None,
    attachment_name: str | None = None,
    options: dict[str, Any] | None = None,
    offer_extended: bool = False,
    request_id: str = "",
) -> tuple[Addon, Operation]:
    """Buy an add-on: rows for it, its attachment and its cluster, and the operation to nudge.

    plan: `mini-0` or `<slug>:mini-0`. Raises NotFound (plan), Invalid, Conflict (a name taken).
    """
    chosen = plans.plan_named(plan, slug)
    options = _checked_options(options or {})
    engine = plans.engine_of(chosen, options.get("engine"))
    _check_offered(chosen, engine, slug=slug, offer_extended=offer_extended)
    session.refresh(app, with_for_update={"read": True})
    if app.deleted_at is not None:
        raise Gone("That app was destroyed.")
    addon = _insert(session, app, chosen, name=name, options=options, now=now, rng=rng)
    attachments.insert(session, addon, app, name=attachment_name, now=now, rng=rng)
    cluster = Cluster(
        addon_id=addon.id,
        plan=chosen.name,
        engine=engine,
        formed_broker_count=chosen.broker_count,
        created_at=now,
    )
    session.add(cluster)
    session.flush()
    events.emit(session, addon, "addon.created", now=now, plan=addon.plan)
    operation = operations.enqueue(
        session,
        operations.PROVISION,
        addon_id=addon.id,
        cluster_id=cluster.id,
        now=now,
        request_id=request_id,
    )
    return addon, operation


def change_plan(
    session: Session,
    addon: Addon,
    *,
    plan: str,
    slug: str,
    now: dt.datetime,
    used_bytes: int = 0,
    offer_extended: bool = False,
    request_id: str = "",
) -> Operation | None:
    """Order another plan; the cluster goes on serving while it is changed in the background.

    used_bytes: what the cluster holds. Returns the operation to nudge, None: it has that plan.
    Repeated: the same operation. Raises NotFound (plan), Invalid, PlanLimit (does not fit),
    Conflict (not available, or another change under way), Gone.
    """
    cluster = cluster_of(session, addon, lock=True)
    session.refresh(addon)
    new, old = plans.plan_named(plan, slug), plans.PLANS[cluster.plan]
    if addon.deleted_at is not None or addon.state == AddonState.DEPROVISIONING:
        raise Gone("That add-on is being destroyed.")
    live = operations.live_on(session, cluster.id)
    for operation in live:
        if operation.kind == operations.CHANGE_PLAN and operation.input["after"] == new.name:
            return operation
    if addon.state != AddonState.PROVISIONED or live:
        what = f"is {addon.state}" if addon.state != AddonState.PROVISIONED else "is being changed"
        raise Conflict(f"{addon.name} {what}: try again when that is done.")
    if new.name == old.name:
        return None
    found = topics.of_cluster(session, cluster)
    shapes = {each.name: each.shape for each in found if each.state != TopicState.FAILED}
    plan_changes.check(old, new, engine=cluster.engine, topics=shapes, used_bytes=used_bytes)
    _check_offered(new, cluster.engine, slug=slug, offer_extended=offer_extended)
    cluster.state = cluster_states.advance(ClusterState(cluster.state), ClusterState.UPDATING)
    addon.plan, addon.state_reason, addon.updated_at = new.name, "", now
    events.emit(session, addon, "addon.plan_changing", now=now, plan=new.name, before=old.name)
    return operations.enqueue(
        session,
        operations.CHANGE_PLAN,
        addon_id=addon.id,
        cluster_id=cluster.id,
        now=now,
        input={"before": old.name, "after": new.name, "name": new.name},
        request_id=request_id,
    )


def destroy(
    session: Session, addon: Addon, *, now: dt.datetime, request_id: str = ""
) -> Operation | None:
    """Begin to deprovision, at any time of the add-on's life; billing ends now.

    Returns the operation to nudge, or None if nothing is left to do. Repeated: the same operation.
    """
    cluster = cluster_of(session, addon, lock=True)
    session.refresh(addon)
    if addon.deleted_at is not None:
        return None
    usage.close_interval(session, cluster.id, at=now)
    if cluster.state == ClusterState.DELETED:
        mark_deprovisioned(session, addon, now=now)
        return None
    for operation in operations.live_on(session, cluster.id):
        if operation.kind == operations.DEPROVISION:
            return operation
    operations.cancel_all(session, cluster.id, now=now, reason="The add-on was destroyed.")
    if cluster.state != ClusterState.DELETING:
        cluster.state = cluster_states.advance(ClusterState(cluster.state), ClusterState.DELETING)
    addon.state, addon.state_reason, addon.updated_at = AddonState.DEPROVISIONING, "", now
    events.emit(session, addon, "addon.destroying", now=now)
    return operations.enqueue(
        session,
        operations.DEPROVISION,
        addon_id=addon.id,
        cluster_id=cluster.id,
        now=now,
        request_id=request_id,
    )


def mark_deprovisioned(session: Session, addon: Addon, *, now: dt.datetime) -> None:
    """End the add-on: links and config vars go, the row stays for the books."""
    for link in attachments.of_addon(session, addon):
        attachments.remove(session, link)
    addon.state, addon.state_reason = AddonState.DEPROVISIONED, ""
    addon.deleted_at = addon.updated_at = now
    events.emit(session, addon, "addon.deprovisioned", now=now)


def cluster_of(session: Session, addon: Addon, *, lock: bool = False) -> Cluster:
    """Return the add-on's cluster, its row locked if asked; every change of one takes that lock."""
    found = select(Cluster).where(Cluster.addon_id == addon.id)
    if lock:
        found = found.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalars(found).one()


def _insert(
    session: Session,
    app: App,
    plan: plans.Plan,
    *,
    name: str | None,
    options: dict[str, Any],
    now: dt.datetime,
    rng: random.Random,
) -> Addon:
    for _ in range(NAME_TRIES_MAX):
        addon = Addon(
            app=app,
            name=names.check_addon_name(name) if name is not None else names.addon_name(rng),
            plan=plan.name,
            options=options,
            created_at=now,
            updated_at=now,
        )
        try:
            with session.begin_nested():
                session.add(addon)
        except IntegrityError:
            if name is not None:
                raise Conflict(f"Name {name} is already taken.", field="name") from None
        else:
            return addon
    raise Conflict("No free name was found: choose one.", field="name")


def _check_offered(plan: plans.Plan, engine: str, *, slug: str, offer_extended: bool) -> None:
    """Raises Invalid, naming what can be had."""
    if not plans.is_offered(plan, offer_extended=offer_extended):
        offered = ", ".join(
            f"{slug}:{each.name}"
            for each in plans.PLANS.values()
            if plans.is_offered(each, offer_extended=offer_extended)
        )
        raise Invalid(
            f"Plan {plan.name} cannot be provisioned by this version of the service. "
            f"Offered: {offered}.",
            field="plan",
        )
    if engine not in plans.ENGINES_OFFERED:
        raise Invalid(
            f"Engine {engine} cannot be provisioned by this version of the service. "
            f"Offered: {', '.join(plans.ENGINES_OFFERED)}.",
            field="engine",
        )


def _checked_options(options: dict[str, Any]) -> dict[str, Any]:
    for key, value in options.items():
        if key not in OPTIONS:
            known = ", ".join(f"--{option}" for option in sorted(OPTIONS))
            raise Invalid(f"There is no option --{key[:40]}. Options: {known}.", field="config")
        if not isinstance(value, str):
            raise Invalid(f"Option --{key} needs a value.", field="config")
    return options
