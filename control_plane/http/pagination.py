"""Lists in parts: Heroku's Range and Next-Range, or ?cursor= with Link.

Both walk the ids upwards or downwards. Ids grow with time, so what is inserted during a walk turns
up at its end and nothing is skipped or repeated.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Request, Response
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from control_plane.http.errors import ApiError

LIMIT_DEFAULT: Final = 200
LIMIT_MAX: Final = 1000

_RANGE = re.compile(
    r"(?P<field>[a-z_]+)\s+(?P<open>\])?(?P<start>[0-9A-Za-z_-]*)\.\.(?P<end>[0-9A-Za-z_-]*)"
    r"\s*(?:;\s*(?P<options>.*))?"
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """What part of a list is asked for; `by_range`: asked by Range, so answered in kind."""

    after: uuid.UUID | None = None  # the last id the client has
    includes_start: bool = False  # `after` itself belongs to the page (Range without the bracket)
    limit: int = LIMIT_DEFAULT
    is_descending: bool = False
    by_range: bool = False


def _limit_from(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= LIMIT_MAX:
        raise ApiError("invalid_params", f"A page holds 1 to {LIMIT_MAX} items, not {text[:20]!r}.")
    return int(text)


def _id_from(text: str) -> uuid.UUID | None:
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ApiError("requested_range_not_satisfiable", "A page starts at an id.") from None


def page_from_range(header: str) -> Page:
    """Parse `id ]<id>..; max=10, order=desc`. Source: Heroku Platform API, "Ranges"."""
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        raise ApiError(
            "requested_range_not_satisfiable", "Use Range: id ]<last id>..; max=200, order=asc."
        )
    options = dict(
        option.strip().split("=", 1)
        for option in re.split(r"[,;]", match["options"] or "")
        if "=" in option
    )
    return Page(
        after=_id_from(match["start"]) if match["field"] == "id" else None,
        includes_start=not match["open"],
        limit=_limit_from(options.get("max", str(LIMIT_DEFAULT))),
        is_descending=options.get("order") == "desc",
        by_range=True,
    )


def page_from(request: Request) -> Page:
    header = request.headers.get("range", "")
    if header and not header.startswith("bytes="):  # RFC 9110: unknown units are ignored.
        return page_from_range(header)
    query = request.query_params
    return Page(
        after=_id_from(query.get("cursor", "")),
        limit=_limit_from(query.get("limit", str(LIMIT_DEFAULT))),
        is_descending=query.get("order") == "desc",
    )


PageDep = Annotated[Page, Depends(page_from)]


def paginate(
    session: Session,
    statement: Select[T],
    key: InstrumentedAttribute[uuid.UUID],
    page: Page,
    request: Request,
    response: Response,
) -> Sequence[T]:
    """Run `statement` for one page ordered by `key`; the headers tell where the next begins."""
    if page.after is not None:
        statement = statement.where(_beyond(key, page))
    statement = statement.order_by(None).order_by(key.desc() if page.is_descending else key.asc())
    rows = session.scalars(statement.limit(page.limit + 1)).all()
    shown = rows[: page.limit]
    if len(rows) > page.limit:
        first, last = (str(getattr(row, key.key)) for row in (shown[0], shown[-1]))
        _announce_next(first, last, page, request, response)
    return shown


def _beyond(key: InstrumentedAttribute[uuid.UUID], page: Page) -> Any:
    match page.is_descending, page.includes_start:
        case True, True:
            return key <= page.after
        case True, False:
            return key < page.after
        case False, True:
            return key >= page.after
        case _:
            return key > page.after


def _announce_next(first: str, last: str, page: Page, request: Request, response: Response) -> None:
    """Tell both ways to go on; a client follows the one it knows."""
    order = "desc" if page.is_descending else "asc"
    response.headers["Next-Range"] = f"id ]{last}..; max={page.limit}, order={order}"
    query = urlencode({"cursor": last, "limit": page.limit, "order": order})
    response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    if page.by_range:
        response.status_code = 206
        response.headers["Content-Range"] = f"id {first}..{last}"
