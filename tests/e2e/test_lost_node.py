"""One of three nodes is lost for good, its disk too: a fourth one takes its broker over."""

import shutil

import pytest

from tests.conftest import wait_for
from tests.e2e.judged import JudgedLoad
from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest, client_of

pytestmark = pytest.mark.timeout(600)


def test_another_node_takes_over_while_the_cluster_serves(
    service: ServiceUnderTest, nodes: MoreNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_LOST_S", "25")
    service.up()
    service.sign_up()
    for name in ("node-2", "node-3"):
        nodes.add(name)
    service.ottla("apps:create", "flights")
    addon = service.ottla("addons:create", "ottla-kafka:standard-0", "--wait")
    service.ottla("kafka:topics:create", "orders", "--partitions", "3")
    service.ottla("kafka:topics:create", "alone", "--partitions", "3", "--replication-factor", "1")
    before = service.ottla("config")
    nodes.add("node-4")
    load = JudgedLoad(client_of(before), "orders", partitions=3)
    with load.running():
        with load.fault("node lost"):
            nodes.lose("node-3")
            shutil.rmtree(nodes.folder("node-3"))
            wait_for(lambda: is_told(service), "the replacement to be told", 90)
            wait_for(lambda: not is_told(service), "the replacement to end", 240)
            wait_for(lambda: is_lost(service, "alone"), "the lost records to be told", 60)
            service.ottla("kafka:topics:destroy", "alone", "--confirm", "alone")
            wait_for(lambda: is_whole(service), "the cluster to be whole", 120)
        wait_for(lambda: service.ottla("config") != before, "the new addresses", 60)
        load.goes_on()
    assert load.errors == []
    print(f"{load.acknowledged} acknowledged, longest gap {load.gap_s:.2f} s")
    config = service.ottla("config")
    old, new = (set(each["KAFKA_URL"].split(",")) for each in (before, config))
    assert len(new) == 3
    assert len(old & new) == 2
    load.verdict(client_of(config))
    service.ottla("addons:destroy", "--confirm", addon["name"], "--wait")
    assert nodes.broker_count() == 0


def is_told(service: ServiceUnderTest) -> bool:
    message = service.ottla("kafka:info")["state"]["message"]
    return "Node node-3 is taken for lost, broker" in message


def is_lost(service: ServiceUnderTest, topic: str) -> bool:
    """What had its only replica there is gone; that holds up nothing else."""
    message = service.ottla("kafka:info")["state"]["message"]
    return f"disk of their only replica, those of topic {topic} (partition" in message


def is_whole(service: ServiceUnderTest) -> bool:
    state = service.ottla("kafka:info")["state"]
    return bool(state["healthy?"]) and not state["degraded_brokers"]
