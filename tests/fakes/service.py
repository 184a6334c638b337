"""The control plane's web process in a thread: real uvicorn, real Postgres, a port of its own."""

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import uvicorn
from sqlalchemy.orm import Session, sessionmaker

from control_plane.app import create_app
from control_plane.database import engine_for
from control_plane.domain.clock import Clock, SystemClock
from control_plane.http.context import Context
from control_plane.services.sealing import sealer_from
from control_plane.settings import Settings

START_S_MAX = 15


@dataclass(frozen=True, slots=True)
class Service:
    """A running service and the doors a test needs to look behind it."""

    url: str
    sessions: sessionmaker[Session]
    settings: Settings
    context: Context

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        headers.setdefault("Accept", "application/vnd.ottla+json; version=1")
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)


def settings_for(database_url: str, **changes: str) -> Settings:
    values = {
        "database_url": database_url,
        # Nobody listens there: wake-up calls are lost, as they may be.
        "redis_url": "redis://127.0.0.1:1/0",
        "secret_key": base64.b64encode(bytes(range(32))).decode(),
        "signup": "open",
        **changes,
    }
    return Settings.model_validate(values)


@contextlib.contextmanager
def serving(database_url: str, *, clock: Clock | None = None, **changes: str) -> Iterator[Service]:
    """Serve until the block ends; every thread and connection is gone afterwards."""
    settings = settings_for(database_url, **changes)
    engine = engine_for(database_url)
    sessions = sessionmaker(engine, expire_on_commit=False)
    context = Context(settings, sessions, sealer_from(settings), clock or SystemClock())
    app = create_app(context)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="service")
    thread.start()
    try:
        _wait_started(server, thread)
        yield Service(f"http://127.0.0.1:{port}", sessions, settings, context)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        engine.dispose()
    assert not thread.is_alive(), "the service did not stop"


def _wait_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_S_MAX
    while not server.started:
        assert thread.is_alive(), "the service died at start"
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.01)
