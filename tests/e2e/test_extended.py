"""The largest plan: eight brokers on three nodes, bought, used and given back."""

import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from tests.conftest import wait_for
from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest, client_of, processes_of
from tests.e2e.test_standard import consumed, produced

pytestmark = pytest.mark.timeout(600)
BROKERS = 8
RECORDS = 400


def test_eight_brokers_serve_and_go_without_a_trace(
    service: ServiceUnderTest, nodes: MoreNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTENDED_PLANS", "true")
    service.up()
    service.sign_up()
    for name in ("node-2", "node-3"):
        nodes.add(name)
    service.ottla("apps:create", "flights")
    began_s = time.monotonic()
    addon = service.ottla("addons:create", "ottla-kafka:extended-0", "--wait")
    provisioned_s = time.monotonic() - began_s
    assert addon["state"] == "provisioned"
    service.ottla("kafka:topics:create", "orders", "--partitions", "16")
    config = service.ottla("config")
    client = client_of(config)
    assert len(set(config["KAFKA_URL"].split(","))) == BROKERS
    check_spread(client)
    assert produced(client, range(RECORDS)) == []
    expected = {str(number).encode() for number in range(RECORDS)}
    assert consumed(client, RECORDS) == expected
    print(f"provisioned in {provisioned_s:.1f} s; {cost_of(brokers_of(service, nodes))}")
    assert len(homes_of_brokers(service.folder)) == BROKERS
    service.ottla("addons:destroy", "--confirm", addon["name"], "--wait")
    assert nodes.broker_count() == 0
    assert homes_of_brokers(service.folder) == []
    assert list(service.folder.rglob("clusters/*")) == []


def check_spread(client: dict[str, object]) -> None:
    """Every broker is in the metadata and leads its share; each partition is on all nodes."""
    admin = AdminClient(without_producer(client))

    def all_lead() -> bool:
        found = admin.list_topics("orders", timeout=30)
        partitions = found.topics["orders"].partitions.values()
        assert {len(each.replicas) for each in partitions} == {3}
        in_sync = all(len(each.isrs) == 3 for each in partitions)
        leaders = {each.leader for each in partitions}
        return in_sync and set(found.brokers) == leaders == set(range(BROKERS))

    wait_for(all_lead, "every broker to lead", 60)


def without_producer(client: dict[str, object]) -> dict[str, Any]:
    """What an admin client would warn about is a producer's alone."""
    return {key: value for key, value in client.items() if key != "message.timeout.ms"}


def brokers_of(service: ServiceUnderTest, nodes: MoreNodes) -> list[psutil.Process]:
    everywhere = processes_of(service.folder)
    return [each for each in everywhere if "data_plane.server.main" in each.info["cmdline"]]


def cost_of(brokers: list[psutil.Process]) -> str:
    assert len(brokers) == BROKERS
    memory_mb = sum(each.memory_full_info().pss for each in brokers) / 2**20
    times = [each.cpu_times() for each in brokers]
    cpu_s = sum(each.user + each.system for each in times)
    return f"{BROKERS} brokers: {memory_mb:.0f} MB in all, {cpu_s:.1f} s of CPU"


def homes_of_brokers(folder: Path) -> list[Path]:
    """Data directories of brokers on all nodes."""
    return [path.parent for path in folder.rglob("brokers/*/data/meta.json")]
