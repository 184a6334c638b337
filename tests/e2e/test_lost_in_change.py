"""A node is lost for good in the middle of a change of plan, and an operator says so at once."""

import json
import shutil

import pytest

from tests.conftest import wait_for
from tests.e2e.judged import JudgedLoad
from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest, client_of

pytestmark = pytest.mark.timeout(900)
NEW_NODES = ("node-2", "node-3", "node-4")


def test_a_change_of_plan_survives_the_loss_of_a_node(
    service: ServiceUnderTest, nodes: MoreNodes
) -> None:
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")
    service.ottla("kafka:topics:create", "orders", "--partitions", "2")
    for name in NEW_NODES:
        nodes.add(name)
    load = JudgedLoad(client_of(service.ottla("config")), "orders", partitions=2)
    with load.running():
        service.ottla("addons:upgrade", "ottla-kafka:standard-0")
        wait_for(lambda: nodes.broker_count() == 3, "the new brokers", 200)
        lost = next(name for name in NEW_NODES if nodes.brokers_of(name))
        with load.fault("node lost"):
            nodes.lose(lost)
            shutil.rmtree(nodes.folder(lost))
            reply = replaced(service, lost)
        (cluster,) = reply["clusters"]
        assert cluster["state"] == "succeeded"
        wait_for(lambda: service.ottla("addons:info")["changing_to"] is None, "the new plan", 400)
        load.goes_on()
    assert load.errors == []
    assert replaced(service, lost)["clusters"][0]["operation_id"] == cluster["operation_id"]
    config = service.ottla("config")
    assert len(set(config["KAFKA_URL"].split(","))) == nodes.broker_count() == 3
    assert service.ottla("addons:info")["plan"]["name"] == "ottla-kafka:standard-0"
    print(f"{load.acknowledged} acknowledged, longest gap {load.gap_s:.2f} s")
    load.verdict(client_of(config))


def replaced(service: ServiceUnderTest, name: str) -> dict[str, list[dict[str, str]]]:
    """Say it until it is believed: for some seconds the node is not silent yet."""
    found: dict[str, list[dict[str, str]]] = {}

    def is_done() -> bool:
        words = ("nodes:replace", name, "--confirm", name, "--wait", "--timeout", "80", "--json")
        done = service.run(*words, OTTLA_API_KEY=service.operator_token)
        if done.returncode:
            return False
        found.update(json.loads(done.stdout))
        return True

    wait_for(is_done, f"{name} to be replaced", 400)
    return found
