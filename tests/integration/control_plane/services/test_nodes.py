"""Nodes: joining, signing, reporting."""

import base64
import datetime as dt
import uuid

import pytest

from control_plane.domain.errors import Conflict, Invalid, Unauthorized
from control_plane.models import ClusterSpecRow, MetricSampleRow, Node, NodeNonce
from control_plane.services import metrics, node_signatures, nodes, specs
from data_plane.agent.signing import signature_headers
from data_plane.contract.metrics import MetricSample
from tests.factories.control_plane import World
from tests.fakes.scripted_agent import ScriptedAgent

TARGET = "/internal/nodes/x/spec?after=0&wait_s=25"


def invite(world: World) -> str:
    with world.sessions.begin() as session:
        return nodes.invite(session, now=world.now)


def register(world: World, agent: ScriptedAgent, token: str) -> Node:
    with world.sessions.begin() as session:
        return nodes.register(session, agent.registration(), token=token, now=world.now)


def test_a_token_brings_one_node_in(world: World) -> None:
    token = invite(world)
    node = register(world, world.agent, token)
    # The reply was lost: the same keys come again, the node is the same.
    assert register(world, world.agent, token).id == node.id
    with pytest.raises(Unauthorized, match="has been used"):
        register(world, ScriptedAgent(), token)
    with pytest.raises(Conflict, match="registered already"):
        register(world, world.agent, invite(world))


def test_a_token_expires(world: World) -> None:
    token = invite(world)
    world.wait(24 * 3600)
    with pytest.raises(Unauthorized, match="expired"):
        register(world, world.agent, token)


def test_other_tokens_are_refused(world: World) -> None:
    token = invite(world)
    for wrong in ("", "node_x_y", token[:-1], token.replace("node_", "ottla_")):
        with pytest.raises(Unauthorized):
            register(world, world.agent, wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"signing_public_key": "AAAA"},
        {"sealing_public_key": "not base64"},
        {"port_first": 0},
        {"port_first": 300, "port_last": 200},
        {"port_last": 70_000},
        {"name": ""},
    ],
)
def test_a_registration_must_make_sense(change: dict[str, object], world: World) -> None:
    registration = world.agent.registration().model_copy(update=change)
    token = invite(world)
    with world.sessions() as session, pytest.raises(Invalid):
        nodes.register(session, registration, token=token, now=world.now)


def authenticate(
    world: World, headers: dict[str, str], *, body: bytes = b"", target: str = TARGET
) -> Node:
    with world.sessions.begin() as session:
        return node_signatures.authenticate(
            session,
            node_id=headers["Ottla-Node"],
            method="GET",
            target=target,
            body=body,
            signed_at_s=headers["Ottla-Time"],
            nonce=headers["Ottla-Nonce"],
            signature=headers["Ottla-Signature"],
            now=world.now,
        )


def signed(world: World, node: Node, *, ahead_s: int = 0, body: bytes = b"") -> dict[str, str]:
    at_s = int(world.now.timestamp()) + ahead_s
    return signature_headers(
        world.agent.signing, str(node.id), method="GET", target=TARGET, body=body, at_s=at_s
    )


def test_the_agents_own_signature_passes_once(world: World) -> None:
    node = world.register_node()
    headers = signed(world, node)
    assert authenticate(world, headers).id == node.id
    with pytest.raises(Unauthorized, match="its nonce is used"):
        authenticate(world, headers)
    assert authenticate(world, signed(world, node)).id == node.id


@pytest.mark.parametrize("ahead_s", [-301, 301])
def test_old_and_future_signatures_are_refused(ahead_s: int, world: World) -> None:
    node = world.register_node()
    with pytest.raises(Unauthorized, match="too old or from the future"):
        authenticate(world, signed(world, node, ahead_s=ahead_s))
    authenticate(world, signed(world, node, ahead_s=ahead_s // 301 * 300))


def test_nothing_signed_may_differ(world: World) -> None:
    node = world.register_node()
    headers = signed(world, node, body=b"{}")
    with pytest.raises(Unauthorized):
        authenticate(world, headers, body=b"{ }")
    with pytest.raises(Unauthorized):
        authenticate(world, headers, body=b"{}", target=TARGET + "0")
    for name, value in (
        ("Ottla-Time", str(int(headers["Ottla-Time"]) + 1)),
        ("Ottla-Time", "now"),
        ("Ottla-Time", "9" * 400),
        ("Ottla-Nonce", "other"),
        ("Ottla-Nonce", ""),
        ("Ottla-Node", str(uuid.uuid4())),
        ("Ottla-Node", "nobody"),
        ("Ottla-Signature", base64.b64encode(b"x" * 64).decode()),
        ("Ottla-Signature", "?"),
    ):
        with pytest.raises(Unauthorized):
            authenticate(world, {**headers, name: value}, body=b"{}")
    authenticate(world, headers, body=b"{}")  # no failure used the nonce up


def test_nonces_are_forgotten_when_they_cannot_pass_any_more(world: World) -> None:
    node = world.register_node()
    authenticate(world, signed(world, node))
    for seconds, left in ((599, 1), (2, 0)):
        world.wait(seconds)
        with world.sessions.begin() as session:
            node_signatures.expire_nonces(session, now=world.now)
            assert session.query(NodeNonce).count() == left


def test_a_report_for_another_node_is_refused(world: World) -> None:
    node = world.register_node()
    report = world.agent.report().model_copy(update={"node_id": str(uuid.uuid4())})
    with world.sessions.begin() as session, pytest.raises(Invalid, match="another node"):
        nodes.record_report(session, session.get_one(Node, node.id), report, now=world.now)


def test_a_report_says_nothing_about_foreign_clusters(world: World) -> None:
    """A node that names a cluster of another node changes nothing of it."""
    cluster = world.cluster(world.provisioned().id)
    stranger = ScriptedAgent(name="node-2")
    stranger.node_id = str(register(world, stranger, invite(world)).id)
    assert world.agent.spec is not None
    stranger.spec = world.agent.spec.model_copy(update={"node_id": stranger.node_id})
    stranger.broker_problem = "lies"
    stranger.samples = [sample(str(cluster.id), 1)]
    with world.sessions.begin() as session:
        node = session.get_one(Node, uuid.UUID(stranger.node_id))
        assert nodes.record_report(session, node, stranger.report(), now=world.now) == []
        (share,) = specs.shares_of(session, cluster.id)
        assert share.status["phase"] == "ready"
        assert session.query(MetricSampleRow).count() == 0


def test_a_report_that_was_overtaken_takes_nothing_back(world: World) -> None:
    cluster = world.cluster(world.provisioned().id)
    old = world.agent.report()
    world.settle(world.add_topic(cluster.id, "a")[1].id)
    with world.sessions.begin() as session:
        node = session.get_one(Node, uuid.UUID(world.agent.node_id))
        nodes.record_report(session, node, old, now=world.now)
        (share,) = session.query(ClusterSpecRow)
        assert share.observed_generation == share.generation == 2


def sample(cluster_id: str, sequence: int, *, value: float = 0.0, at_s: float = 0) -> MetricSample:
    return MetricSample(
        name="bytes_in_total",
        cluster_id=cluster_id,
        broker_id=0,
        at_ms=int(at_s * 1000),
        value=value,
        sequence=sequence,
    )


def test_samples_are_stored_once_and_give_rates(world: World) -> None:
    """A report sent twice; a counter that starts again after a restart."""
    cluster = world.cluster(world.provisioned().id)
    start = world.now.timestamp()
    readings = [(0, 1000), (10, 2000), (20, 500), (30, 1500)]  # restarted between 10 and 20
    samples = [
        sample(str(cluster.id), n, value=value, at_s=start + at)
        for n, (at, value) in enumerate(readings)
    ]
    unknown = samples[0].model_copy(update={"name": "nonsense", "sequence": 99})
    world.wait(30)
    for _ in range(2):
        world.agent.samples = [*samples, unknown]
        world.report()
    with world.sessions() as session:
        assert session.query(MetricSampleRow).count() == 4
        rate = metrics.rate(session, cluster.id, "bytes_in_total", now=world.now)
        points = metrics.series(
            session, cluster.id, "bytes_in_total", since=world.now - dt.timedelta(hours=1)
        )
    assert rate == pytest.approx((1000 + 500 + 1000) / 30)
    assert [growth for _, growth in metrics.rates(points)] == [100, 50, 100]


def test_old_samples_are_dropped(world: World) -> None:
    cluster = world.cluster(world.provisioned().id)
    world.agent.samples = [sample(str(cluster.id), 1, at_s=world.now.timestamp())]
    world.report()
    world.wait(2 * 86_400 + 1)
    with world.sessions.begin() as session:
        metrics.expire(session, now=world.now)
        assert session.query(MetricSampleRow).count() == 0
