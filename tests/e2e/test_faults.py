"""Faults while the whole service runs: what was ordered comes to its right end, exactly once."""

import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from control_plane.local.ports import is_free
from tests.conftest import wait_for
from tests.e2e.service import ServiceUnderTest, processes_of

pytestmark = pytest.mark.timeout(240)

CONFIG_VARS = {"KAFKA_URL", "KAFKA_TRUSTED_CERT", "KAFKA_CLIENT_CERT", "KAFKA_CLIENT_CERT_KEY"}
API_VERSIONS = bytes.fromhex("0000000a00120000000000010000")


@pytest.fixture(scope="module")
def shared() -> Iterator[ServiceUnderTest]:
    """One running service for the module; each test makes an app of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ottla-faults-"))
    folder.chmod(0o711)
    made = ServiceUnderTest(folder)
    try:
        made.up()
        made.sign_up()
        yield made
    finally:
        made.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def app(shared: ServiceUnderTest) -> str:
    name = f"app-{uuid.uuid4().hex[:8]}"
    shared.ottla("apps:create", name)
    return name


def order(shared: ServiceUnderTest, app: str) -> Any:
    return shared.ottla("addons:create", "ottla-kafka:mini-0", "--app", app)


def patiently(shared: ServiceUnderTest, *words: str) -> Any:
    """As a person does who is told that nothing was changed and to try again."""
    documents: list[Any] = []

    def is_done() -> bool:
        done = shared.run(*words, "--json")
        if done.returncode and json.loads(done.stderr)["id"] == "unavailable":
            return False
        assert done.returncode == 0, f"ottla {' '.join(words)}: {done.stderr}"
        documents.append(json.loads(done.stdout))
        return True

    wait_for(is_done, f"ottla {words[0]}", 60)
    return documents[0]


def assert_provisioned_once(shared: ServiceUnderTest, app: str, addon: Any) -> None:
    """One add-on, one broker process of its cluster, one set of config vars."""
    shared.ottla("addons:wait", addon["name"], "--timeout", "90")
    assert [each["id"] for each in shared.ottla("addons", "--app", app)] == [addon["id"]]
    assert set(shared.ottla("config", "--app", app)) == CONFIG_VARS
    url = shared.ottla("config", "--app", app)["KAFKA_URL"]
    listeners = [broker for broker in shared.brokers() if serves(broker, url)]
    assert len(listeners) == 1, listeners
    config = next(word for word in listeners[0].info["cmdline"] if word.endswith(".json"))
    assert sum(config in broker.info["cmdline"] for broker in shared.brokers()) == 1


def serves(broker: psutil.Process, url: str) -> bool:
    port = int(url.rpartition(":")[2])
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr.port == port
        for each in broker.net_connections(kind="tcp")
    )


def destroy(shared: ServiceUnderTest, addon: Any) -> None:
    shared.ottla("addons:destroy", addon["name"], "--confirm", addon["name"], "--wait")


def resume_all(family: list[psutil.Process]) -> None:
    for process in family:
        process.resume()


def program(shared: ServiceUnderTest, name: str) -> tuple[int, int]:
    """A program's process id and how often it was started again."""
    state = shared.state.programs[name]
    assert state.pid is not None
    return state.pid, state.restarts


@pytest.mark.parametrize("name", ["valkey", "postgres"])
def test_a_hanging_store_only_delays_a_provisioning(
    shared: ServiceUnderTest, app: str, name: str
) -> None:
    """SIGSTOP for three seconds in the middle: connections stay open and nothing answers."""
    pid, _ = program(shared, name)
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    addon = order(shared, app)
    for process in family:
        process.suspend()
    resume = threading.Timer(3, lambda: resume_all(family))
    resume.start()
    try:
        assert_provisioned_once(shared, app, addon)
    finally:
        resume.join()
    destroy(shared, addon)


def test_kills_at_random_moments_leave_one_of_everything(shared: ServiceUnderTest) -> None:
    """Orders come in while one program after the other is killed, at moments of a seed.

    The worker may die four times within a minute (restart_policy.py), and loses its head once
    when Valkey does. What a killed one held is given to another when its lease runs out (30 s).
    """
    rng = random.Random(5)
    orders: dict[str, Any] = {}
    for name in ("worker", "postgres", "agent", "worker", "agent", "valkey", "worker"):
        app = f"app-{uuid.uuid4().hex[:8]}"
        patiently(shared, "apps:create", app)
        orders[app] = patiently(shared, "addons:create", "ottla-kafka:mini-0", "--app", app)
        pid, restarts = program(shared, name)
        threading.Event().wait(rng.uniform(0, 0.4))
        # It may have died by itself just before, as a worker does without Valkey.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for(
            lambda name=name, restarts=restarts: (  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                shared.state.programs[name].restarts > restarts
            ),
            f"{name} again",
        )
    for app, addon in orders.items():
        assert_provisioned_once(shared, app, addon)
    assert len(shared.brokers()) == len(orders)
    for app in orders:
        shared.ottla("apps:destroy", app, "--confirm", app)
    wait_for(lambda: not shared.brokers(), "the end of all brokers", 60)


@pytest.mark.parametrize("delay_s", [0, 0.15, 0.4])
def test_destroyed_in_the_middle_of_provisioning(
    shared: ServiceUnderTest, app: str, delay_s: float
) -> None:
    addon = order(shared, app)
    threading.Event().wait(delay_s)
    destroy(shared, addon)
    assert shared.ottla("addons", "--app", app) == []
    assert shared.ottla("config", "--app", app) == {}
    assert shared.brokers() == []
    assert not list((shared.data / "agent" / "clusters").glob("*"))


def test_one_key_one_addon(shared: ServiceUnderTest, app: str) -> None:
    """The same request eight times at once, as a client repeats it that lost the answer."""
    login = shared.folder / "config" / "ottla" / "credentials.json"
    token = httpx.Response(200, content=login.read_bytes()).json()["token"]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}

    def ask(_: int) -> httpx.Response:
        return httpx.post(
            f"{shared.state.api_url}/apps/{app}/addons",
            json={"plan": {"name": "ottla-kafka:mini-0"}},
            headers=headers,
            timeout=30,
        )

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(set(accepted)) == 1
    (addon,) = shared.ottla("addons", "--app", app)
    assert addon["id"] == accepted[0]
    shared.ottla("addons:wait", addon["name"])
    assert len(shared.brokers()) == 1
    destroy(shared, addon)


def test_one_clusters_certificate_opens_no_other(shared: ServiceUnderTest, tmp_path: Path) -> None:
    """Two clusters of one service: each one's client is refused at the other's port."""
    configs = []
    for _ in range(2):
        name = f"app-{uuid.uuid4().hex[:8]}"
        shared.ottla("apps:create", name)
        shared.ottla("addons:create", "ottla-kafka:mini-0", "--app", name, "--wait")
        configs.append(shared.ottla("config", "--app", name))
    ours, theirs = configs
    assert ours["KAFKA_TRUSTED_CERT"] != theirs["KAFKA_TRUSTED_CERT"]
    assert answer_to(ours, ours, tmp_path)[:4] == b"\0\0\0\1"
    assert answer_to(ours, theirs, tmp_path) == b""
    assert answer_to(theirs, ours, tmp_path) == b""
    assert answer_to(theirs, theirs, tmp_path)[:4] == b"\0\0\0\1"


def answer_to(client: dict[str, str], cluster: dict[str, str], folder: Path) -> bytes:
    """What one add-on's client is answered at a cluster's port, trusting it; b"" if refused."""
    host, _, port = cluster["KAFKA_URL"].removeprefix("kafka+ssl://").rpartition(":")
    pem = folder / "client.pem"
    pem.write_text(client["KAFKA_CLIENT_CERT"] + client["KAFKA_CLIENT_CERT_KEY"])
    context = ssl.create_default_context(cadata=cluster["KAFKA_TRUSTED_CERT"])
    context.load_cert_chain(pem)
    try:
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            wrapped.sendall(API_VERSIONS)
            return wrapped.recv(64)[4:]
    except (ssl.SSLError, ConnectionError):
        return b""


def test_an_order_beyond_the_ports_fails_with_its_reason(
    service: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node with ports for one broker, and a short limit, yet one in which a broker starts on a
    busy machine: the second order is given up and says why, and once the first is destroyed there
    is room again."""
    first = three_free_ports()
    monkeypatch.setenv("OTTLA_AGENT_PORTS", f"{first}-{first + 2}")
    monkeypatch.setenv("OPERATION_WAIT_S_MAX", "10")
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", first + 1))
        stranger.listen()
        refused = order(service, "flights")
        assert f"no port of {first}-{first + 2} is free" in reason_of_failure(service, refused)
        assert service.brokers() == []
    kept = order(service, "flights")
    service.ottla("addons:wait", kept["name"])
    beyond = order(service, "flights")
    assert "no node with room for another broker" in reason_of_failure(service, beyond)
    assert len(service.brokers()) == 1
    for each in (kept, refused):
        destroy(service, each)
    service.ottla("addons:wait", order(service, "flights")["name"])


def reason_of_failure(service: ServiceUnderTest, addon: Any) -> str:
    waited = service.run("addons:wait", addon["name"], "--timeout", "60")
    assert waited.returncode == 8, waited.stderr
    info = service.ottla("addons:info", addon["name"])
    assert info["state"] == "failed"
    assert info["reason"] in waited.stderr
    return str(info["reason"])


def three_free_ports() -> int:
    """The first of three neighbours that were free a moment ago, below the ephemeral range."""
    return next(
        port for port in range(23_000, 30_000, 3) if all(is_free(port + more) for more in range(3))
    )


def test_no_secret_is_told(shared: ServiceUnderTest) -> None:
    """After all of the above, a canary run: no log, argv, queue or database file holds a secret."""
    shared.ottla("apps:create", "canary")
    addon = shared.ottla("addons:create", "ottla-kafka:mini-0", "--app", "canary", "--wait")
    config = shared.ottla("config", "--app", "canary")
    login = json.loads((shared.folder / "config" / "ottla" / "credentials.json").read_text())
    data = shared.data
    secrets = {
        "password": b"correct horse",
        "token": login["token"].encode(),
        "client key": config["KAFKA_CLIENT_CERT_KEY"].splitlines()[2].encode(),
        **{each.name: each.read_bytes().strip() for each in (data / "secrets").iterdir()},
        **{each.name: each.read_bytes().strip() for each in (data / "agent").glob("*.key")},
    }
    assert len(secrets) >= 10
    argv = " ".join(word for each in processes_of(data) for word in each.info["cmdline"])
    places = {"argv": argv.encode(), "up.log": (shared.folder / "up.log").read_bytes()}
    for pattern in ("logs/*", "run/*", "valkey/appendonlydir/*", "postgres/**/*", "agent/**/*"):
        for path in data.glob(pattern):
            if path.is_file() and path.suffix not in {".key", ".pem"}:
                places[str(path)] = path.read_bytes()
    told = [
        (name, place)
        for place, content in places.items()
        for name, secret in secrets.items()
        if secret in content
    ]
    assert told == []
    for path in [*(data / "secrets").iterdir(), *data.glob("agent/**/*.key")]:
        assert path.stat().st_mode & 0o077 == 0, path
    destroy(shared, addon)
