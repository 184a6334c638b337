"""One of three nodes is lost for good, its disk too: a fourth one takes its broker over."""

import shutil
import threading

import pytest

from tests.conftest import wait_for
from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest, client_of
from tests.e2e.test_standard import consumed
from tests.integration.agent.writer import Writer

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
    before = service.ottla("config")
    nodes.add("node-4")
    writer = Writer(client_of(before), "orders")
    writing = threading.Thread(target=writer.run)
    writing.start()
    try:
        wait_for(lambda: writer.acknowledged > 20, "records", 60)
        nodes.lose("node-3")
        shutil.rmtree(nodes.folder("node-3"))

        def is_told() -> bool:
            message = service.ottla("kafka:info")["state"]["message"]
            return "Node node-3 is taken for lost, broker" in message

        wait_for(is_told, "the replacement to be told", 90)

        def is_whole() -> bool:
            state = service.ottla("kafka:info")["state"]
            return bool(state["healthy?"]) and not state["degraded_brokers"]

        wait_for(is_whole, "the cluster to be whole", 240)
        wait_for(lambda: service.ottla("config") != before, "the new addresses", 60)
        after = writer.acknowledged
        wait_for(lambda: writer.acknowledged > after + 20, "records after it", 60)
    finally:
        writer.stop()
        writing.join()
    assert writer.errors == []
    print(f"{writer.acknowledged} acknowledged, longest gap {writer.gap_s:.2f} s")
    config = service.ottla("config")
    old, new = (set(each["KAFKA_URL"].split(",")) for each in (before, config))
    assert len(new) == 3
    assert len(old & new) == 2
    expected = {str(number).encode() for number in range(writer.acknowledged)}
    assert consumed(client_of(config), writer.acknowledged) == expected
    service.ottla("addons:destroy", "--confirm", addon["name"], "--wait")
    assert nodes.broker_count() == 0
