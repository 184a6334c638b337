"""The three requests an agent makes of the control plane, over server-authenticated TLS."""

import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import ValidationError

from data_plane.agent.secrets import NodeKeys
from data_plane.agent.signing import signature_headers
from data_plane.contract.report import NodeRegistered, NodeRegistration, NodeReport, ReportReply
from data_plane.contract.spec import ContractModel, NodeSpec

CONNECT_S_MAX = 5.0
ANSWER_S_MAX = 15.0
ANSWER_BYTES_MAX = 64 << 20
MESSAGE_CHARACTERS_MAX = 300

Model = TypeVar("Model", bound=ContractModel)


class ControlPlaneGone(Exception):
    """No usable answer: try again later."""


class ControlPlaneRefused(Exception):
    """An answer in the 400s: the same request will be refused again until something changes."""


class Uplink:
    def __init__(
        self, url: str, ca_file: Path | None, keys: NodeKeys, now_ms: Callable[[], int]
    ) -> None:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=context,
            timeout=httpx.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX),
            # The agent talks to one address it was told; a proxy of the environment has no part.
            trust_env=False,
        )
        self._keys = keys
        self._now_ms = now_ms

    async def close(self) -> None:
        await self._http.aclose()

    async def register(self, registration: NodeRegistration, token: str) -> str:
        """Trade the one-time token for a node id. Raises ControlPlaneGone, ControlPlaneRefused."""
        answer = await self._send(
            self._http.build_request(
                "POST",
                "/internal/nodes",
                content=registration.model_dump_json().encode(),
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                },
            )
        )
        return _parsed(NodeRegistered, answer).node_id

    async def spec(self, node_id: str, after: int, wait_s: int) -> NodeSpec | None:
        """Long-poll: the spec once its generation passes `after`; None if it did not in time."""
        target = f"/internal/nodes/{node_id}/spec?after={after}&wait_s={wait_s}"
        answer = await self._signed("GET", target, node_id, b"", wait_s + ANSWER_S_MAX)
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        return _parsed(NodeSpec, answer)

    async def report(self, report: NodeReport) -> ReportReply:
        body = report.model_dump_json().encode()
        target = f"/internal/nodes/{report.node_id}/reports"
        answer = await self._signed("POST", target, report.node_id, body, ANSWER_S_MAX)
        return _parsed(ReportReply, answer)

    async def _signed(
        self, method: str, target: str, node_id: str, body: bytes, answer_s_max: float
    ) -> httpx.Response:
        timeout = httpx.Timeout(answer_s_max, connect=CONNECT_S_MAX)
        headers = {"Content-Type": "application/json"} if body else {}
        request = self._http.build_request(
            method, target, content=body, headers=headers, timeout=timeout
        )
        sent_target = request.url.raw_path.decode("ascii")  # what the server will see
        request.headers.update(
            signature_headers(
                self._keys.signing,
                node_id,
                method=method,
                target=sent_target,
                body=body,
                at_s=self._now_ms() // 1000,
            )
        )
        return await self._send(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await self._http.send(request, stream=True)
            try:
                await _read_bounded(answer)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as problem:
            raise ControlPlaneGone(f"{type(problem).__name__}: {problem}") from None
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
            raise ControlPlaneGone(f"answered {answer.status_code}")
        if answer.is_client_error:
            raise ControlPlaneRefused(f"answered {answer.status_code}: {_message_of(answer)}")
        return answer


async def _read_bounded(answer: httpx.Response) -> None:
    """Read the whole body into the response, or raise ControlPlaneGone past the bound."""
    if int(answer.headers.get("content-length", "0")) > ANSWER_BYTES_MAX:
        raise ControlPlaneGone(f"answer longer than {ANSWER_BYTES_MAX} bytes")
    await answer.aread()


def _message_of(answer: httpx.Response) -> str:
    """The `message` of an error in Heroku's shape, for the log."""
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
    return str(message)[:MESSAGE_CHARACTERS_MAX]


def _parsed(model: type[Model], answer: httpx.Response) -> Model:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as problem:
        # The errors' locations only: a spec may hold what no log should.
        places = {".".join(str(part) for part in error["loc"]) for error in problem.errors()}
        raise ControlPlaneGone(
            f"answered {answer.status_code} with something that is no {model.__name__} "
            f"({', '.join(sorted(places)[:5]) or 'no JSON'}): is the agent older than it?"
        ) from None
