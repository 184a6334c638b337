"""The REST client against a small real HTTP server that fails on purpose."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.platform import Platform


class Scripted(BaseHTTPRequestHandler):
    """Answers from `server.script`, one entry per request; None hangs up without a word."""

    def answer(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.seen.append((self.command, self.path, dict(self.headers)))
        step = server.script.pop(0)
        if step is None:
            self.close_connection = True
            return
        status, headers, body = step
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    made.script, made.seen = [], []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def platform(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setattr("control_plane.cli.platform.BACK_OFF_SECONDS", 0.01)
    made = Platform(f"http://127.0.0.1:{server.server_port}", "token")
    yield made
    made.close()


def test_a_broken_connection_is_retried_with_the_same_idempotency_key(
    server: Any, platform: Platform
) -> None:
    server.script = [None, None, (201, {}, {"name": "flights"})]
    assert platform.post("/apps", {"name": "flights"}) == {"name": "flights"}
    keys = {headers["Idempotency-Key"] for _, _, headers in server.seen}
    assert len(server.seen) == 3
    assert len(keys) == 1


def test_an_unavailable_service_is_retried_and_then_told(server: Any, platform: Platform) -> None:
    server.script = [(503, {}, {"id": "unavailable", "message": "the database is away"})] * 4
    with pytest.raises(CliError, match="the database is away"):
        platform.get("/apps")
    assert len(server.seen) == 4


def test_lists_follow_next_range(server: Any, platform: Platform) -> None:
    server.script = [
        (206, {"Next-Range": "id ]b..; max=2"}, [{"id": "a"}, {"id": "b"}]),
        (200, {}, [{"id": "c"}]),
    ]
    assert [each["id"] for each in platform.list_all("/apps")] == ["a", "b", "c"]
    assert server.seen[1][2]["Range"] == "id ]b..; max=2"


def test_error_objects_become_errors_with_their_exit_code(server: Any, platform: Platform) -> None:
    server.script = [(404, {}, {"id": "not_found", "message": "no such app"})]
    with pytest.raises(CliError, match="no such app") as caught:
        platform.get("/apps/x")
    assert caught.value.code is ExitCode.NOT_FOUND
    assert caught.value.body["id"] == "not_found"


def test_an_error_without_a_body_says_what_was_asked(server: Any, platform: Platform) -> None:
    server.script = [(410, {}, b"")]
    with pytest.raises(CliError, match="GET /gone was answered with 410"):
        platform.get("/gone")


def test_nobody_listening_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.cli.platform.BACK_OFF_SECONDS", 0.01)
    with socket.socket() as bound:  # bound and not listening: connections are refused for sure
        bound.bind(("127.0.0.1", 0))
        platform = Platform(f"http://127.0.0.1:{bound.getsockname()[1]}", None)
        with pytest.raises(CliError, match="ottla up"):
            platform.get("/apps")
        platform.close()
