"""The control plane's three internal routes over real HTTP, signatures and nonces verified."""

import base64
import hashlib
import json
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from data_plane.contract.report import NodeRegistration, NodeReport
from data_plane.contract.spec import ClusterSpec, NodeSpec

TOKEN = "one-time-token"


class FakeControlPlane:
    """Serves on a free port from construction to `close`. Use under `with`."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.node_id = str(uuid.uuid4())
        self.registration: NodeRegistration | None = None
        self.spec: NodeSpec | None = None
        self.strange_spec: Any = None  # sent in place of the spec, whatever it is
        self.reports: list[NodeReport] = []
        self.refused: list[str] = []
        self.served = 0
        self.news = threading.Condition()
        self._nonces: set[str] = set()
        self._is_closed = False
        self._is_tls = tls is not None
        self._server = Server(("127.0.0.1", port), self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> "FakeControlPlane":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._is_tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        with self.news:
            self._is_closed = True
            self.news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def continue_as(self, other: "FakeControlPlane") -> None:
        """Know what a former control plane knew: it was only away."""
        self.node_id, self.registration = other.node_id, other.registration
        self.spec, self._nonces = other.spec, other._nonces

    def publish(self, *clusters: ClusterSpec, generation: int | None = None) -> NodeSpec:
        with self.news:
            grown = self.spec.generation + 1 if self.spec else 1
            self.spec = NodeSpec(
                node_id=self.node_id, generation=generation or grown, clusters=list(clusters)
            )
            self.news.notify_all()
            return self.spec

    # -- what the handler calls, each in a thread of its own ---------------------------------------

    def register(self, body: bytes, token: str) -> tuple[int, Any]:
        if token != f"Bearer {TOKEN}":
            return 401, {"id": "unauthorized", "message": "The node token is unknown."}
        with self.news:
            self.registration = NodeRegistration.model_validate_json(body)
            self.news.notify_all()
        return 201, {"node_id": self.node_id}

    def verify(self, method: str, target: str, body: bytes, headers: Any) -> str | None:
        """Why the signature does not count, or None."""
        if self.registration is None or headers.get("Ottla-Node") != self.node_id:
            return "unknown node"
        key = base64.b64decode(self.registration.signing_public_key)
        at, nonce = headers.get("Ottla-Time", ""), headers.get("Ottla-Nonce", "")
        text = f"{method}\n{target}\n{hashlib.sha256(body).hexdigest()}\n{at}\n{nonce}".encode()
        try:
            signature = base64.b64decode(headers.get("Ottla-Signature", ""))
            Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
        except InvalidSignature:
            return "signature does not fit"
        if abs(time.time() - int(at)) > 300:
            return "too old"
        with self.news:
            if nonce in self._nonces:
                return "nonce used"
            self._nonces.add(nonce)
        return None

    def wait_for_spec(self, after: int, wait_s: float) -> tuple[int, Any]:
        def is_newer() -> bool:
            if self._is_closed or self.strange_spec is not None:
                return True
            return self.spec is not None and self.spec.generation > after

        with self.news:
            self.news.wait_for(is_newer, wait_s)
            if self.strange_spec is not None:
                return 200, self.strange_spec
            if self._is_closed or not is_newer() or self.spec is None:
                return 304, None
            return 200, self.spec.model_dump(mode="json")

    def take_report(self, body: bytes) -> tuple[int, Any]:
        with self.news:
            self.reports.append(NodeReport.model_validate_json(body))
            self.news.notify_all()
            return 200, {"latest_generation": self.spec.generation if self.spec else 0}


class Server(ThreadingHTTPServer):
    daemon_threads = False  # joined on close: a thread must not outlive its test
    control_plane: FakeControlPlane

    def __init__(self, address: tuple[str, int], control_plane: FakeControlPlane) -> None:
        super().__init__(address, Handler)
        self.control_plane = control_plane

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or never trusted our certificate, is no test's concern."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10

    def do_GET(self) -> None:
        self._signed("GET", b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/internal/nodes":
            token = self.headers.get("Authorization", "")
            self._reply(*self.server.control_plane.register(body, token))
        else:
            self._signed("POST", body)

    def _signed(self, method: str, body: bytes) -> None:
        plane = self.server.control_plane
        if why := plane.verify(method, self.path, body, self.headers):
            plane.refused.append(why)
            self._reply(401, {"id": "unauthorized", "message": why})
            return
        parts = urlsplit(self.path)
        prefix = f"/internal/nodes/{plane.node_id}"
        if (method, parts.path) == ("GET", f"{prefix}/spec"):
            asked = parse_qs(parts.query)
            after, wait_s = int(asked["after"][0]), float(asked["wait_s"][0])
            self._reply(*plane.wait_for_spec(after, wait_s))
        elif (method, parts.path) == ("POST", f"{prefix}/reports"):
            self._reply(*plane.take_report(body))
        else:
            self._reply(404, {"id": "not_found", "message": "No such route."})

    def _reply(self, status: int, value: Any) -> None:
        self.server.control_plane.served += 1
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests say what they see themselves."""
