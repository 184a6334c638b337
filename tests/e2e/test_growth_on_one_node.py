"""One broker becomes three on the same machine, under load; then all are destroyed at once."""

import time

import pytest

from tests.conftest import wait_for
from tests.e2e.judged import JudgedLoad
from tests.e2e.service import ServiceUnderTest, client_of

pytestmark = pytest.mark.timeout(600)


def test_a_cluster_grows_where_it_is_while_it_serves(service: ServiceUnderTest) -> None:
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    addon = service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")["name"]
    service.ottla("kafka:topics:create", "orders", "--partitions", "2")
    load = JudgedLoad(client_of(service.ottla("config")), "orders", partitions=2)
    (first,) = service.brokers()
    with load.running():
        with load.fault("restart"):
            service.ottla("addons:upgrade", "ottla-kafka:standard-0")
            wait_for(
                lambda: service.ottla("addons:info")["changing_to"] is None, "the new plan", 300
            )
        load.goes_on()
    assert load.errors == []
    assert len(service.brokers()) == 3
    assert not first.is_running(), "restarted once, to listen to the others"
    print(f"{load.acknowledged} acknowledged, longest gap {load.gap_s:.2f} s")
    load.verdict(client_of(service.ottla("config")))
    began_s = time.monotonic()
    service.ottla("addons:destroy", "--confirm", addon, "--wait")
    print(f"destroyed in {time.monotonic() - began_s:.1f} s")
    assert service.brokers() == []
