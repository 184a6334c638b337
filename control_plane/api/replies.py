"""Add-ons and attachments with what belongs in their replies, loaded for a whole list at once."""

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from control_plane.api.schemas.addon_attachments import AttachmentOut, attachment_out
from control_plane.api.schemas.addons import AddonOut, addon_out
from control_plane.domain import names
from control_plane.domain.states import AddonState
from control_plane.http.context import Context, ContextDep
from control_plane.http.units import SessionDep
from control_plane.models import Addon, Attachment, Cluster, Operation


class AddonReplies:
    """Turns rows into reply bodies; two queries for a list, however long."""

    def __init__(self, session: Session, context: Context) -> None:
        self.session = session
        self.slug = context.settings.addon_slug
        self.public_url = context.settings.public_url

    def one(self, addon: Addon) -> AddonOut:
        return self.many([addon])[0]

    def many(self, found: Sequence[Addon]) -> list[AddonOut]:
        self.session.flush()
        ids = [addon.id for addon in found]
        vars_by_addon = self._config_vars(ids)
        operations = self._latest_operations(ids)
        plans = self._cluster_plans(ids)
        return [
            addon_out(
                addon,
                slug=self.slug,
                public_url=self.public_url,
                config_vars=vars_by_addon.get(addon.id, []) if _is_usable(addon) else [],
                cluster_plan=plans.get(addon.id),
                operation=operations.get(addon.id),
            )
            for addon in found
        ]

    def attachments(self, found: Iterable[Attachment]) -> list[AttachmentOut]:
        return [
            attachment_out(
                attachment,
                slug=self.slug,
                public_url=self.public_url,
                config_vars=_var_names(attachment) if _is_usable(attachment.addon) else [],
            )
            for attachment in found
        ]

    def _config_vars(self, addon_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
        """The names of each add-on's vars on its own app."""
        links = self.session.scalars(
            select(Attachment)
            .join(Addon, Addon.id == Attachment.addon_id)
            .where(Addon.id.in_(addon_ids), Attachment.app_id == Addon.app_id)
            .order_by(Attachment.id)
        )
        found: dict[uuid.UUID, list[str]] = {}
        for link in links:
            found.setdefault(link.addon_id, []).extend(_var_names(link))
        return found

    def _cluster_plans(self, addon_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """The plan that each add-on's cluster has by now."""
        found = select(Cluster.addon_id, Cluster.plan).where(Cluster.addon_id.in_(addon_ids))
        return {row.addon_id: row.plan for row in self.session.execute(found)}

    def _latest_operations(self, addon_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Operation]:
        """The newest operation on each add-on itself; those on its topics are the topics' own."""
        newest = (
            select(Operation)
            .where(Operation.addon_id.in_(addon_ids), Operation.topic_id.is_(None))
            .ext(distinct_on(Operation.addon_id))
            .order_by(Operation.addon_id, Operation.id.desc())
        )
        return {operation.addon_id: operation for operation in self.session.scalars(newest)}


def _is_usable(addon: Addon) -> bool:
    return addon.state == AddonState.PROVISIONED


def _var_names(attachment: Attachment) -> list[str]:
    return list(names.config_var_names(attachment.name).values())


def addon_replies(session: SessionDep, context: ContextDep) -> AddonReplies:
    return AddonReplies(session, context)
