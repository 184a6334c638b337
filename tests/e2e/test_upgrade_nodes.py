"""`kafka:upgrade` of a cluster over three nodes, under load: brokers are rolled one at a time."""

import signal
from pathlib import Path

import psutil
import pytest

from data_plane.agent.software import own_version
from tests.conftest import wait_for
from tests.e2e.judged import JudgedLoad
from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest, client_of

pytestmark = pytest.mark.timeout(900)
OLDER, NEWER = "0.0.1", "99.0.0"


def install(folder: Path, version: str) -> None:
    """What the package says of itself, to every process that is started from now on."""
    about = folder / "ottla-0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ottla\nVersion: {version}\n")


def test_a_cluster_over_nodes_is_upgraded_while_it_serves(
    service: ServiceUnderTest, nodes: MoreNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = service.folder / "installed"
    install(installed, OLDER)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    service.up()
    service.sign_up()
    for name in ("node-2", "node-3"):
        nodes.add(name)
    service.ottla("apps:create", "flights")
    addon = service.ottla("addons:create", "ottla-kafka:standard-0", "--wait")["name"]
    service.ottla("kafka:topics:create", "orders", "--partitions", "3")
    upgrade = ("kafka:upgrade", "--confirm", addon, "--wait", "--timeout", "80")
    chosen = service.ottla(*upgrade, "--version", OLDER)
    assert chosen["version"] == OLDER != own_version()
    config = service.ottla("config")
    load = JudgedLoad(client_of(config), "orders", partitions=3)
    with load.running():
        before = pids(service, nodes)
        install(installed, NEWER)
        agent_of(service).send_signal(signal.SIGKILL)
        for name in ("node-2", "node-3"):
            nodes.begin_anew(name)
        refused = service.run(*upgrade, "--version", "1.2.3", "--json")
        assert refused.returncode != 0
        assert "can be chosen once all of them have it" in refused.stderr

        def is_accepted() -> bool:
            """Once every node has said what it has."""
            return service.run("kafka:upgrade", "--confirm", addon, "--json").returncode == 0

        with load.fault("roll"):
            wait_for(is_accepted, "the newer software to be told", 60)
            wait_for(lambda: versions(service) == [NEWER], "every broker to run it", 400)
            service.ottla("kafka:wait", addon)
        assert not before & pids(service, nodes), "every broker is another process"
        load.goes_on()
    assert load.errors == []
    assert service.ottla("config") == config, "nobody has moved"
    print(f"{load.acknowledged} acknowledged, longest gap {load.gap_s:.2f} s")
    load.verdict(client_of(config))


def pids(service: ServiceUnderTest, nodes: MoreNodes) -> set[int]:
    more = [each for name in nodes.agents for each in nodes.brokers_of(name)]
    return {process.pid for process in (*service.brokers(), *more)}


def versions(service: ServiceUnderTest) -> list[str]:
    found: list[str] = service.ottla("kafka:info")["version"]
    return found


def agent_of(service: ServiceUnderTest) -> psutil.Process:
    assert service.process is not None
    children = psutil.Process(service.process.pid).children()
    (agent,) = [each for each in children if "data_plane.agent.main" in each.cmdline()]
    return agent
