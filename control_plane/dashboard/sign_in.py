"""Signing in and out: a session is an API token in a cookie that scripts cannot read.

Every form carries a CSRF token: an HMAC of the session (before sign-in, of a random gate cookie),
made with the service's key, so that nothing has to be stored for it.
"""

import datetime as dt
import hashlib
import hmac
import secrets
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from control_plane.dashboard.site import page
from control_plane.domain.errors import Forbidden, Unauthorized
from control_plane.http.context import Context, ContextDep, client_host
from control_plane.http.errors import ApiError
from control_plane.http.units import SessionDep, TransactionRoute
from control_plane.models import Account
from control_plane.services import accounts, tokens

SESSION_COOKIE: Final = "ottla_session"
GATE_COOKIE: Final = "ottla_gate"
SESSION_LIFE: Final = dt.timedelta(hours=12)
FIELD_CHARS_MAX: Final = 1024

router = APIRouter(route_class=TransactionRoute)


class SignInNeeded(Exception):
    """The page is for people who have signed in; `back_to` is where they wanted to go."""

    def __init__(self, back_to: str) -> None:
        super().__init__()
        self.back_to = back_to


def to_sign_in(_request: Request, needed: Exception) -> Response:
    assert isinstance(needed, SignInNeeded)
    return RedirectResponse(f"/sign-in?next={quote(needed.back_to, safe='')}", 303)


def session_text(request: Request) -> str:
    return request.cookies.get(SESSION_COOKIE, "")[:FIELD_CHARS_MAX]


def csrf_for(context: Context, secret: str) -> str:
    key = hmac.digest(context.settings.sealing_key, b"dashboard forms", "sha256")
    return hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()


def signed_in(request: Request, session: SessionDep, context: ContextDep) -> Account:
    """The account of the session cookie; without a valid one, off to the sign-in page."""
    try:
        return tokens.authenticate(session, session_text(request), now=context.clock.now()).account
    except Unauthorized:
        back_to = request.url.path if request.method == "GET" else "/"
        raise SignInNeeded(back_to) from None


SignedInDep = Annotated[Account, Depends(signed_in)]
CsrfField = Annotated[str, Form(max_length=FIELD_CHARS_MAX)]


def check_csrf(request: Request, context: ContextDep, csrf: CsrfField = "") -> None:
    """Refuse a form that was not served to this session."""
    _compare(csrf, csrf_for(context, session_text(request)), session_text(request))


def _compare(given: str, expected: str, secret: str) -> None:
    if not secret or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("The form has expired. Go back, reload the page and try again.")


def is_local_path(path: str) -> bool:
    """Whether a redirect to `path` stays on this site."""
    parts = urlsplit(path)
    is_plain = path.startswith("/") and not path.startswith(("//", "/\\"))
    return is_plain and not parts.scheme and not parts.netloc and path.isprintable()


def _set_cookie(response: Response, context: Context, name: str, value: str, life_s: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=life_s,
        httponly=True,
        samesite="lax",
        secure=context.settings.public_url.startswith("https://"),
        path="/",
    )


def _form(
    request: Request,
    context: Context,
    *,
    next_: str,
    email: str = "",
    problem: str = "",
    status: int,
) -> Response:
    gate = request.cookies.get(GATE_COOKIE) or secrets.token_urlsafe(24)
    response = page(
        request,
        "sign_in.html",
        status,
        csrf=csrf_for(context, gate),
        next=next_,
        email=email,
        problem=problem,
    )
    _set_cookie(response, context, GATE_COOKIE, gate, 3600)
    return response


@router.get("/sign-in")
def show_sign_in(request: Request, context: ContextDep, next: str = "/") -> Response:  # noqa: A002 - the field's name in the form
    return _form(request, context, next_=next if is_local_path(next) else "/", status=200)


@router.post("/sign-in")
def sign_in(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    email: Annotated[str, Form(max_length=FIELD_CHARS_MAX)] = "",
    password: Annotated[str, Form(max_length=FIELD_CHARS_MAX)] = "",
    next: Annotated[str, Form(max_length=FIELD_CHARS_MAX)] = "/",  # noqa: A002 - the field's name in the form
    csrf: CsrfField = "",
) -> Response:
    gate = request.cookies.get(GATE_COOKIE, "")
    _compare(csrf, csrf_for(context, gate), gate)
    next_ = next if is_local_path(next) else "/"
    try:
        context.sign_ins.check(email.lower())
        context.sign_ins_by_host.check(client_host(request))
        account = _account_of(session, email.replace("\x00", ""), password, context)
    except (ApiError, Unauthorized) as error:
        status = 429 if isinstance(error, ApiError) else 401
        return _form(
            request, context, next_=next_, email=email, problem=error.message, status=status
        )
    now = context.clock.now()
    _token, text = tokens.issue(
        session, account, description="Dashboard session", now=now, life=SESSION_LIFE
    )
    response = RedirectResponse(next_, 303)
    _set_cookie(response, context, SESSION_COOKIE, text, int(SESSION_LIFE.total_seconds()))
    response.delete_cookie(GATE_COOKIE, path="/")
    return response


def _account_of(session: Session, email: str, password: str, context: Context) -> Account:
    """Find who signs in. A token serves as well: an operator's account may have no password."""
    if not email:
        return tokens.authenticate(session, password, now=context.clock.now()).account
    return accounts.authenticate(session, email=email, password=password)


@router.post("/sign-out", dependencies=[Depends(check_csrf)])
def sign_out(request: Request, session: SessionDep, context: ContextDep) -> Response:
    """End the session for good: the token is revoked, not just forgotten by the browser."""
    now = context.clock.now()
    try:
        token = tokens.authenticate(session, session_text(request), now=now)
        tokens.revoke(session, token.account, token.id, now=now)
    except Unauthorized:
        pass  # It has ended already.
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response
