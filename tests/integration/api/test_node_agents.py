"""The routes agents call: joining, signed requests, forged ones, the long poll."""

import base64
import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from control_plane.models import NodeSpecRow
from control_plane.services import specs
from tests.factories import rows as make
from tests.fakes.service import Service

OUTSIDE_S = 301


@dataclass
class Agent:
    """Signs as a node agent does (design.md, decision 18)."""

    client: httpx.Client
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    node_id: str = ""

    def registration(self) -> dict[str, object]:
        return {
            "name": "node-1",
            "signing_public_key": base64.b64encode(
                self.key.public_key().public_bytes_raw()
            ).decode(),
            "sealing_public_key": base64.b64encode(bytes(32)).decode(),
            "advertised_host": "127.0.0.1",
            "port_first": 20000,
            "port_last": 20100,
        }

    def signed(
        self, method: str, path: str, body: bytes = b"", *, at_s: int | None = None, nonce: str = ""
    ) -> dict[str, str]:
        seconds, nonce = at_s or int(time.time()), nonce or uuid.uuid4().hex
        digest = hashlib.sha256(body).hexdigest()
        text = f"{method}\n{path}\n{digest}\n{seconds}\n{nonce}"
        return {
            "Ottla-Node": self.node_id,
            "Ottla-Time": str(seconds),
            "Ottla-Nonce": nonce,
            "Ottla-Signature": base64.b64encode(self.key.sign(text.encode())).decode(),
            "Content-Type": "application/json",
        }

    def report(self, **changes: object) -> bytes:
        import json

        return json.dumps({"node_id": self.node_id, "observed_generation": 0, **changes}).encode()

    def send(self, method: str, path: str, body: bytes = b"") -> httpx.Response:
        return self.client.request(
            method, path, content=body, headers=self.signed(method, path, body)
        )


@pytest.fixture
def agent(service: Service) -> Iterator[Agent]:
    """A registered agent."""
    with service.sessions.begin() as session:
        operator = make.tenant(session, "op@example.test", is_operator=True)
    with service.client(operator.token) as client:
        invited = client.post("/nodes/tokens", json={})
        assert invited.status_code == 201
    with httpx.Client(base_url=service.url, timeout=20) as client:
        joined = Agent(client)
        bearer = {"Authorization": f"Bearer {invited.json()['token']}"}
        reply = client.post("/internal/nodes", json=joined.registration(), headers=bearer)
        assert reply.status_code == 201, reply.text
        joined.node_id = reply.json()["node_id"]
        # The reply may be lost: the same keys get the same node, other keys nothing.
        assert client.post(
            "/internal/nodes", json=joined.registration(), headers=bearer
        ).json() == {"node_id": joined.node_id}
        thief = Agent(client).registration()
        assert client.post("/internal/nodes", json=thief, headers=bearer).status_code == 401
        yield joined


def test_a_signed_report_is_taken(agent: Agent, service: Service) -> None:
    path = f"/internal/nodes/{agent.node_id}/reports"
    taken = agent.send("POST", path, agent.report(agent_version="0.1.0"))
    assert taken.status_code == 200, taken.text
    assert taken.json() == {"latest_generation": 0}
    with service.sessions.begin() as session:
        operator = make.tenant(session, "op2@example.test", is_operator=True)
    with service.client(operator.token) as client:
        (node,) = client.get("/nodes").json()
    assert node["agent_version"] == "0.1.0"
    assert node["last_report_at"]


def forgeries(agent: Agent, path: str, body: bytes) -> Iterator[tuple[str, dict[str, str], bytes]]:
    good = agent.signed("POST", path, body)
    stranger = Agent(agent.client, node_id=agent.node_id)
    yield "another key", stranger.signed("POST", path, body), body
    yield "another body", good, agent.report(agent_version="9")
    yield "another method", agent.signed("PUT", path, body), body
    yield "another path", agent.signed("POST", f"{path}?x=1", body), body
    yield "no signature", {k: v for k, v in good.items() if k != "Ottla-Signature"}, body
    yield "no headers", {"Content-Type": "application/json"}, body
    yield "bad base64", {**good, "Ottla-Signature": "%%%"}, body
    yield "short signature", {**good, "Ottla-Signature": "AAAA"}, body
    yield "time changed", {**good, "Ottla-Time": str(int(good["Ottla-Time"]) + 1)}, body
    yield "odd time", {**good, "Ottla-Time": "soon"}, body
    yield "unknown node", {**good, "Ottla-Node": str(uuid.uuid4())}, body
    yield "odd node", {**good, "Ottla-Node": "x"}, body
    now = int(time.time())
    yield "stale", agent.signed("POST", path, body, at_s=now - OUTSIDE_S), body
    yield "from the future", agent.signed("POST", path, body, at_s=now + OUTSIDE_S + 5), body


def test_forged_requests_are_refused(agent: Agent) -> None:
    path = f"/internal/nodes/{agent.node_id}/reports"
    body = agent.report()
    for name, headers, sent in forgeries(agent, path, body):
        refused = agent.client.post(path, content=sent, headers=headers)
        assert refused.status_code == 401, name
        assert refused.json()["id"] == "unauthorized", name


def test_a_request_is_taken_once(agent: Agent) -> None:
    path = f"/internal/nodes/{agent.node_id}/reports"
    body = agent.report()
    headers = agent.signed("POST", path, body)
    assert agent.client.post(path, content=body, headers=headers).status_code == 200
    assert agent.client.post(path, content=body, headers=headers).status_code == 401


def test_a_node_speaks_only_for_itself(agent: Agent) -> None:
    other = f"/internal/nodes/{uuid.uuid4()}/reports"
    assert agent.send("POST", other, agent.report()).status_code == 401
    path = f"/internal/nodes/{agent.node_id}/reports"
    lie = agent.report(node_id=str(uuid.uuid4()))
    assert agent.send("POST", path, lie).status_code == 422


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"node_id": 1}'])
def test_bad_reports_are_refused(agent: Agent, body: bytes) -> None:
    path = f"/internal/nodes/{agent.node_id}/reports"
    assert agent.send("POST", path, body).status_code in {400, 422}


def test_a_token_of_an_account_is_no_node_token(service: Service) -> None:
    with service.sessions.begin() as session:
        token = make.tenant(session, "a@example.test").token
    with service.client(token) as client:
        refused = client.post("/internal/nodes", json=Agent(client).registration())
        assert refused.status_code == 401


def test_the_long_poll_answers_when_there_is_news(agent: Agent, service: Service) -> None:
    """304 after the wait; a spec published meanwhile is handed out before it."""
    path = f"/internal/nodes/{agent.node_id}/spec?after=0&wait_s=0"
    assert agent.send("GET", path).status_code == 304

    def publish() -> None:
        with service.sessions.begin() as session:
            specs.publish_node(session, uuid.UUID(agent.node_id), now=make.now())

    timer = threading.Timer(0.3, publish)
    timer.start()
    got = agent.send("GET", f"/internal/nodes/{agent.node_id}/spec?after=0&wait_s=60")
    timer.join()
    assert got.status_code == 200
    assert got.json()["generation"] == 1
    behind = agent.send("GET", f"/internal/nodes/{agent.node_id}/spec?after=1&wait_s=0.1")
    assert behind.status_code == 304


def test_many_waiting_polls_hold_no_connection(agent: Agent, service: Service) -> None:
    """More polls than the pool has connections wait at once, and requests are still answered."""
    path = f"/internal/nodes/{agent.node_id}/spec?after=0&wait_s=3"
    statuses: list[int] = []

    def poll() -> None:
        with httpx.Client(base_url=service.url, timeout=20) as client:
            statuses.append(client.get(path, headers=agent.signed("GET", path)).status_code)

    polls = [threading.Thread(target=poll) for _ in range(40)]
    for each in polls:
        each.start()
    for _ in range(10):
        assert httpx.get(f"{service.url}/healthz", timeout=15).status_code == 200
    for each in polls:
        each.join()
    assert statuses == [304] * 40
    with service.sessions() as session:
        assert session.query(NodeSpecRow).count() == 0
