"""From one broker to three on three nodes, under load; then one of the nodes is lost."""

import signal
import threading
from contextlib import suppress

import psutil
import pytest

from tests.conftest import wait_for
from tests.e2e.judged import JudgedLoad
from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest, client_of
from tests.integration.agent.writer import Writer

pytestmark = pytest.mark.timeout(600)


def test_a_cluster_outgrows_its_machine_while_it_serves(
    service: ServiceUnderTest, nodes: MoreNodes
) -> None:
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")
    service.ottla("kafka:topics:create", "orders", "--partitions", "2")
    for name in ("node-2", "node-3"):
        nodes.add(name)
    load = JudgedLoad(client_of(service.ottla("config")), "orders", partitions=2)
    with load.running():
        ordered = service.ottla("addons:upgrade", "ottla-kafka:standard-0")
        assert ordered["changing_to"] == "ottla-kafka:standard-0"
        assert ordered["billed_price"]["cents"] == 500
        assert service.process is not None
        children = psutil.Process(service.process.pid).children()
        (worker,) = [each for each in children if "worker" in each.cmdline()]
        (agent,) = [each for each in children if "data_plane.agent.main" in each.cmdline()]
        worker.send_signal(signal.SIGKILL)  # whoever was at it: another goes on
        agent.send_signal(signal.SIGKILL)
        wait_for(lambda: nodes.broker_count() == 3, "the new brokers", 200)
        with load.fault("kill"):
            wait_for(lambda: first_is_killed(service), "the first broker, to be killed", 60)
            wait_for(
                lambda: service.ottla("addons:info")["changing_to"] is None, "the new plan", 400
            )
        load.goes_on()
    assert load.errors == []
    changed = service.ottla("addons:info")
    assert (changed["plan"]["name"], changed["changing_to"]) == ("ottla-kafka:standard-0", None)
    assert changed["billed_price"]["cents"] == 15_000
    lines = {line["plan"]: line["plan_seconds"] for line in changed["usage"]["lines"]}
    assert lines.keys() == {"mini-0", "standard-0"}
    assert all(seconds > 0 for seconds in lines.values())
    config = service.ottla("config")
    assert len(set(config["KAFKA_URL"].split(","))) == nodes.broker_count() == 3
    info = service.ottla("kafka:info")
    assert info["partition_replica_count"] == 6
    print(f"{load.acknowledged} acknowledged, longest gap {load.gap_s:.2f} s")
    load.verdict(client_of(config))
    refused = service.run("addons:upgrade", "ottla-kafka:mini-0", "--json")
    assert refused.returncode != 0
    assert "brokers are not taken away" in refused.stderr
    check_loss_of_a_node(service, nodes, config)


def first_is_killed(service: ServiceUnderTest) -> bool:
    """Kill the broker that has all there is, or all of it copied.

    It is between two processes for a moment when it begins to listen to the others.
    """
    for first in service.brokers():
        with suppress(psutil.NoSuchProcess):
            first.send_signal(signal.SIGKILL)
            return True
    return False


def check_loss_of_a_node(
    service: ServiceUnderTest, nodes: MoreNodes, config: dict[str, str]
) -> None:
    """It is told by name, with its broker; the others serve on, topics can be made."""
    nodes.lose("node-3")
    writer = Writer(client_of(config), "orders")
    writing = threading.Thread(target=writer.run)
    writing.start()
    try:
        wait_for(lambda: writer.acknowledged > 20, "records without the node", 60)
    finally:
        writer.stop()
        writing.join()
    assert writer.errors == []

    def is_told() -> bool:
        state = service.ottla("kafka:info")["state"]
        return bool(state["degraded_brokers"]) and "node-3" in state["message"]

    wait_for(is_told, "the loss to be told", 60)
    service.ottla("kafka:topics:create", "more", "--partitions", "1")
