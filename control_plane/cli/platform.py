"""The REST client of the command line: one connection, errors as CliError, retries that are safe.

Every changing call carries an Idempotency-Key made for this invocation, so a call repeated after a
broken connection has one effect.
"""

import time
import uuid
from typing import Any

import httpx

from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode, exit_code_of

NETWORK_TRIES_MAX = 4
BACK_OFF_SECONDS = 0.3
ACCEPT = "application/vnd.heroku+json; version=3"
Json = Any


class Platform:
    """The service at `url`, as the holder of `token` sees it."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"Accept": ACCEPT, "User-Agent": "ottla-cli"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.url, headers=headers, timeout=httpx.Timeout(40, connect=5)
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **parameters: str) -> Json:
        return self._call("GET", path, params=parameters or None)

    def post(self, path: str, body: Json = None, **more: Any) -> Json:
        return self._call("POST", path, json=body, **more)

    def patch(self, path: str, body: Json) -> Json:
        return self._call("PATCH", path, json=body)

    def put(self, path: str, body: Json) -> Json:
        return self._call("PUT", path, json=body)

    def delete(self, path: str, body: Json = None) -> Json:
        return self._call("DELETE", path, json=body)

    def list_all(self, path: str) -> list[Json]:
        """A whole list, following Next-Range (Heroku's pagination)."""
        items: list[Json] = []
        headers: dict[str, str] = {}
        while True:
            response = self._send("GET", path, headers=headers)
            items.extend(response.json())
            following = response.headers.get("Next-Range")
            if not following:
                return items
            headers = {"Range": following}

    def _call(self, method: str, path: str, **more: Any) -> Json:
        response = self._send(method, path, **more)
        return response.json() if response.content else None

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", None) or {})
        headers["Request-Id"] = str(uuid.uuid4())
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        response = self._try(method, path, headers, more)
        if response.is_error:
            raise _error_of(response)
        return response

    def _try(
        self, method: str, path: str, headers: dict[str, str], more: dict[str, Any]
    ) -> httpx.Response:
        for attempt in range(1, NETWORK_TRIES_MAX + 1):
            try:
                response = self._client.request(method, path, headers=headers, **more)
            except httpx.TransportError as problem:
                if attempt == NETWORK_TRIES_MAX:
                    raise CliError(
                        f"cannot reach {self.url}: {problem}. Is the service up (`ottla up`), "
                        "and is --url right?",
                        identifier="unreachable",
                    ) from problem
            else:
                if response.status_code != 503 or attempt == NETWORK_TRIES_MAX:
                    return response
            time.sleep(BACK_OFF_SECONDS * attempt)
        raise AssertionError("the last try returns or raises")


def _error_of(response: httpx.Response) -> CliError:
    """The API's {id, message, ...} as an error; a body without them still says what was asked."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict) or "message" not in body:
        asked = f"{response.request.method} {response.request.url.path}"
        body = {
            "id": body.get("id", "http_error") if isinstance(body, dict) else "http_error",
            "message": f"{asked} was answered with {response.status_code}",
        }
    code = exit_code_of(response.status_code, str(body.get("id", "")))
    message = body["message"]
    if code is ExitCode.NOT_ALLOWED and response.status_code == 401:
        message += " (log in with `ottla login`)"
    return CliError(message, code=code, details={**body, "message": message})
