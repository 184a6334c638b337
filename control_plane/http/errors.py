"""Every refusal in one shape: {id, message, url, request_id, details}, with the right status.

`id` is for programs (the catalogue below), `message` for people. Routes that clients poll with an
older convention answer 404 and 410 without `message`, see `bare_not_found`.
Source: interagent HTTP API design, "Generate structured errors".
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.domain import errors as refusals
from control_plane.http.request_ids import request_id_of

log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 5
LOCK_NOT_AVAILABLE: Final = "55P03"  # SQLSTATE: lock_timeout passed

# The one catalogue of error ids; the API's documentation is printed from it.
ERRORS: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The request could not be read"),
    "unauthorized": (401, "There is no valid token with the request"),
    "forbidden": (403, "The account may not do this"),
    "not_found": (404, "There is no such thing, or it belongs to someone else"),
    "method_not_allowed": (405, "The path has no such method"),
    "not_acceptable": (406, "No representation fits the Accept header"),
    "conflict": (409, "The thing is in a state that does not allow it"),
    "gone": (410, "It existed once"),
    "precondition_failed": (412, "The thing changed since it was read"),
    "request_too_large": (413, "The body is larger than the limit"),
    "requested_range_not_satisfiable": (416, "The Range header could not be read"),
    "invalid_params": (422, "A parameter is missing or wrong"),
    "plan_limit": (422, "The plan does not allow it; the message names the one that does"),
    "idempotency_mismatch": (422, "The Idempotency-Key was used with another request"),
    "confirmation_required": (423, "The action must be confirmed"),
    "rate_limit": (429, "Too many requests"),
    "internal_error": (500, "The fault is ours; the request id finds it in the log"),
    "unavailable": (503, "The database does not answer"),
}


class ApiError(Exception):
    """A refusal on its way to the client; `id` is a key of ERRORS unless `status` is given."""

    def __init__(
        self,
        id: str,  # noqa: A002 - the word of the wire
        message: str,
        *,
        status: int | None = None,
        details: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.id, self.message = status or ERRORS[id][0], id, message
        self.details, self.headers, self.url = list(details), dict(headers or {}), url


class BareError(Exception):
    """A refusal whose body holds the id alone.

    Kafka command lines of Heroku's family read the status of an error only if its body has no
    `message`; with one, their `wait` never ends on 404 and 410.
    """

    def __init__(self, id: str) -> None:  # noqa: A002 - the word of the wire
        super().__init__(id)
        self.status, self.id = ERRORS[id][0], id


def not_found(noun: str) -> ApiError:
    """Foreign and absent things are told apart by nobody: same status, same words."""
    return ApiError("not_found", f"Couldn't find that {noun}.")


def reply(request: Request, error: ApiError) -> JSONResponse:
    return JSONResponse(
        {
            "id": error.id,
            "message": error.message,
            "url": error.url,
            "request_id": request_id_of(request.scope),
            "details": error.details,
        },
        error.status,
        error.headers,
    )


def details_of(error: RequestValidationError) -> list[dict[str, str]]:
    """[{field, id, message}] per fault; the offending input is left out, it may be a secret."""
    return [
        {
            "field": ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]),
            "id": str(fault["type"]),
            "message": str(fault["msg"]),
        }
        for fault in error.errors()
    ]


def _from_validation(error: RequestValidationError) -> ApiError:
    details = details_of(error)
    if any(detail["id"] == "json_invalid" for detail in details):
        return ApiError("bad_request", "The body is not valid JSON.", details=details)
    first = details[0]
    return ApiError("invalid_params", f"{first['field']}: {first['message']}", details=details)


_IDS_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
}


def _from_http(error: HTTPException) -> ApiError:
    error_id = _IDS_BY_STATUS.get(error.status_code, "bad_request")
    return ApiError(error_id, ERRORS[error_id][1] + ".", headers=error.headers)


_STATUS_BY_REFUSAL: Final[dict[type[refusals.ServiceError], int]] = {
    refusals.NotFound: 404,
    refusals.Gone: 410,
    refusals.Unauthorized: 401,
    refusals.Forbidden: 403,
    refusals.Conflict: 409,
    refusals.Invalid: 422,
    refusals.Unavailable: 503,
    refusals.ServiceError: 400,
}


def _from_service(error: refusals.ServiceError) -> ApiError:
    """The nearest class gives the status.

    What the path names and is absent is 404; what a field names and is absent is a wrong field.
    """
    status = next(
        _STATUS_BY_REFUSAL[kind] for kind in type(error).__mro__ if kind in _STATUS_BY_REFUSAL
    )
    error_id = error.id
    if status == 404 and error.field:
        status, error_id = 422, "invalid_params"
    details = (
        [{"field": error.field, "id": error_id, "message": error.message}] if error.field else []
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return ApiError(error_id, error.message, status=status, details=details, headers=headers)


def unavailable() -> ApiError:
    return ApiError(
        "unavailable",
        "The service cannot reach its database. Nothing was changed; try again.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def api_error_from(error: Exception) -> ApiError:
    """Translate whatever was raised; what nobody foresaw becomes internal_error, logged."""
    match error:
        case ApiError():
            return error
        case refusals.ServiceError():
            return _from_service(error)
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
        case DataError():
            return ApiError("invalid_params", "A parameter is out of range.")
        case OperationalError() if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            return ApiError(
                "conflict",
                "Another request is changing the same thing; try again.",
                headers={"Retry-After": "1"},
            )
        case OperationalError() | InterfaceError() | PoolTimeout():
            log.warning("database unavailable: %s", type(error).__name__)
            return unavailable()
        case _:
            return ApiError("internal_error", "Something went wrong on our side.")


Renderer = Callable[[Request, ApiError], Response]


def wants_page(request: Request) -> bool:
    """Browsers name text/html; programs do not."""
    return "text/html" in request.headers.get("accept", "")


def install(app: FastAPI, page: Renderer) -> None:
    """Make `app` answer every failure: `page` for browsers, JSON for everyone else."""

    def render(request: Request, error: Exception) -> Response:
        api_error = api_error_from(error)
        return page(request, api_error) if wants_page(request) else reply(request, api_error)

    async def answer(request: Request, error: Exception) -> Response:
        return render(request, error)

    async def answer_bare(_request: Request, error: Exception) -> Response:
        assert isinstance(error, BareError)
        return JSONResponse({"id": error.id}, error.status)

    for kind in _FORESEEN:
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(BareError, answer_bare)
    app.add_middleware(InternalErrors, render)


_FORESEEN: Final[tuple[type[Exception], ...]] = (
    ApiError,
    refusals.ServiceError,
    RequestValidationError,
    HTTPException,
    DataError,
    OperationalError,
    InterfaceError,
    PoolTimeout,
)


class InternalErrors:
    """ASGI middleware: logs what nobody foresaw and answers 500, inside those that add headers."""

    def __init__(self, app: ASGIApp, render: Callable[[Request, Exception], Response]) -> None:
        self.app, self.render = app, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_started = False

        async def send_noted(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception as error:
            request = Request(scope)
            log.exception(
                "request %s failed: %s %s", request_id_of(scope), request.method, request.url.path
            )
            if is_started:
                raise  # The server can only cut the connection.
            await self.render(request, error)(scope, receive, send)


def check_path_text(text: str, noun: str) -> str:
    """Return a name from a path; one that no stored thing can have is simply not found."""
    if len(text) > 300 or not text.isprintable():
        raise not_found(noun)
    return text
