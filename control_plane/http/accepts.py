"""Which representation a client asks for: ours version 1, Heroku's version 3, or plain JSON."""

import re

from fastapi import Request, Response

from control_plane.http.errors import ApiError

OLDEST_VERSION_WARNING = (
    "No API version was asked for, so this is version 1. "
    "Send Accept: application/vnd.ottla+json; version=1."
)
_JSON_RANGES = {"*/*", "application/*", "application/json"}
_VENDOR = re.compile(r"application/vnd\.(ottla|heroku)\+json")
_VERSION = re.compile(r";\s*version\s*=\s*\"?([0-9]+)(\.[a-z_-]+)?\"?")
_SERVED = {"ottla": "1", "heroku": "3"}


def accepted(header: str | None) -> str | None:
    """Return the vendor whose version is served, "" for plain JSON, None if nothing fits."""
    ranges = [part.strip().lower() for part in (header or "*/*").split(",")]
    for media_range in ranges:
        if vendor := _VENDOR.match(media_range):
            version = _VERSION.search(media_range)
            if version is None or version[1] == _SERVED[vendor[1]]:
                return vendor[1]
    return "" if any(part.split(";")[0].strip() in _JSON_RANGES for part in ranges) else None


def negotiate(request: Request, response: Response) -> None:
    """Refuse unknown versions with 406; tell who named none which one they got.

    The strict guide answers 406 to a missing version too; that hurts people with curl.
    """
    vendor = accepted(request.headers.get("accept"))
    if vendor is None:
        raise ApiError(
            "not_acceptable",
            "Served are application/vnd.ottla+json; version=1 and application/json.",
        )
    if vendor == "":
        response.headers["Warning"] = f'299 - "{OLDEST_VERSION_WARNING}"'
