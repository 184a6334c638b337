"""What all pages share: templates, static files, the page for problems."""

import datetime as dt
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from control_plane.dashboard import figures
from control_plane.http.context import context_of
from control_plane.http.errors import ApiError
from control_plane.http.request_ids import request_id_of

HERE: Final = Path(__file__).resolve().parent
STATIC: Final = HERE / "static"

_TITLES: Final = {
    401: "Please sign in",
    403: "Not allowed",
    404: "Not found",
    410: "Gone",
    429: "Too many attempts",
    503: "Out of reach for a moment",
}


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static_url, has_vendor=has_vendor)
    environment.filters.update(utc=figures.utc, ago=figures.ago)
    return environment


@cache
def static_url(path: str) -> str:
    """The address of a static file, with its content's hash: a new file is a new address."""
    file = STATIC / path
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.exists() else "none"
    return f"/static/{path}?v={digest}"


def has_vendor(name: str) -> bool:
    """Whether the third-party file was installed; pages do without it otherwise."""
    return (STATIC / "vendor" / name).exists()


def static_files() -> StaticFiles:
    return StaticFiles(directory=STATIC)


def text_of(template: str, now: dt.datetime, **values: Any) -> str:
    """Render a template; `now` dates it and every age on it."""
    return _templates().get_template(template).render(now=now, **values)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Render a whole page. Pages show an account's own things, so nothing on the way keeps them."""
    now = context_of(request).clock.now()
    defaults = {"stream": None, "here": "", "account": None, "csrf": ""}
    html = text_of(template, now, **{**defaults, **values})
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})


def problem_page(request: Request, error: ApiError) -> Response:
    """A refusal as a page, with the request id by which the log knows it."""
    response = page(
        request,
        "problem.html",
        error.status,
        title=_TITLES.get(error.status, "That did not work"),
        text=error.message,
        request_id=request_id_of(request.scope) if error.status >= 500 else "",
    )
    response.headers.update(error.headers)
    return response
