"""All routes of the dashboard."""

from fastapi import APIRouter

from control_plane.dashboard import pages, sign_in, stream


def dashboard_router() -> APIRouter:
    router = APIRouter()
    for module in (sign_in, pages, stream):
        router.include_router(module.router)
    return router
