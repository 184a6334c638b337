"""All routers of the REST surface, in the order in which the documentation lists them."""

from fastapi import APIRouter, Depends

from control_plane.api.routers import (
    accounts,
    addon_attachments,
    addons,
    apps,
    authorizations,
    clusters,
    config_vars,
    health,
    node_agents,
    nodes,
    operations,
    plans,
    topics,
    usage,
)
from control_plane.api.schemas.refusals import REFUSED
from control_plane.http.accepts import negotiate

_PUBLIC = (
    accounts,
    authorizations,
    apps,
    addons,
    addon_attachments,
    config_vars,
    plans,
    clusters,
    topics,
    operations,
    usage,
    nodes,
)


def api_router() -> APIRouter:
    router = APIRouter(responses=REFUSED)
    for module in _PUBLIC:
        router.include_router(module.router, dependencies=[Depends(negotiate)])
    router.include_router(node_agents.router)
    router.include_router(health.router)
    return router
