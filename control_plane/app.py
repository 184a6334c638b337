"""The ASGI application: the one place that mounts API and dashboard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from control_plane.api.public import api_router
from control_plane.dashboard.public import dashboard_router
from control_plane.dashboard.sign_in import SignInNeeded, to_sign_in
from control_plane.dashboard.site import problem_page, static_files
from control_plane.http import errors
from control_plane.http.context import Context, WithContext, context_from_environment
from control_plane.http.limits import BodyLimit
from control_plane.http.request_ids import RequestIds
from control_plane.http.security_headers import SecurityHeaders
from control_plane.http.version import service_version


def create_app(context: Context | None = None) -> FastAPI:
    """Build the application; without a context it makes one from the environment as it starts."""
    made: list[Context] = [context] if context else []

    def the_context() -> Context:
        if not made:
            made.append(context_from_environment())
        return made[0]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        the_context()  # A setting that is missing or wrong stops the start, not the first request.
        yield

    api = FastAPI(
        title="Ottla",
        version=service_version(),
        summary="A managed Apache Kafka service that anyone can run",
        lifespan=lifespan,
        docs_url=None,  # Their pages load scripts from elsewhere; /openapi.json is the document.
        redoc_url=None,
    )
    api.include_router(api_router())
    api.include_router(dashboard_router(), include_in_schema=False)
    api.mount("/static", static_files())
    errors.install(api, problem_page)
    api.add_exception_handler(SignInNeeded, to_sign_in)
    api.add_middleware(BodyLimit)
    api.add_middleware(SecurityHeaders)
    api.add_middleware(WithContext, the_context)
    api.add_middleware(RequestIds)
    return api


app = create_app()
